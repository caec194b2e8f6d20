"""Home Assistant's frontend, as a person sees and uses it."""

from collections.abc import Iterable, Mapping
import contextlib
from pathlib import Path
import re

from playwright.sync_api import (
    Error as PlaywrightError,
    Locator,
    Page,
    TimeoutError as PlaywrightTimeout,
    expect,
)

TIMEOUT = 120_000  # ms; loaded machines are slow
SETTLED_TIMEOUT = 20_000  # ms
WIDE = {"width": 1400, "height": 900}
PHONE = {"width": 390, "height": 844}

WALK = """
  const children = (node) => [
    ...node.childNodes,
    ...(node.shadowRoot?.childNodes ?? []),
    ...(node.localName === "slot" ? node.assignedNodes() : []),
  ];
  const texts = (node) =>
    node.nodeType === Node.TEXT_NODE ? [node] : children(node).flatMap(texts);
"""
"""What the functions below need to look into web components."""
CUT_OFF = f"""() => {{
  {WALK}
  const right = (text) => {{
    const range = document.createRange();
    range.selectNodeContents(text);
    return range.getBoundingClientRect().right;
  }};
  const found = [];
  const visit = (node) => {{
    if (
      node instanceof Element &&
      node.clientWidth > 1 &&  // Texts for screen readers have one pixel.
      node.scrollWidth > node.clientWidth + 1 &&
      getComputedStyle(node).textOverflow === "ellipsis"
    ) {{
      const end = node.getBoundingClientRect().right + 1;
      if (texts(node).some((text) => right(text) > end)) {{
        found.push(texts(node).map((text) => text.data.trim()).join(" ").trim());
      }}
    }}
    children(node).forEach(visit);
  }};
  visit(document.body);
  return [...new Set(found)];
}}"""
"""Returns the texts that end in an ellipsis because they do not fit."""
ON_DASHBOARD = f"""(unwanted) => {{
  {WALK}
  const find = (node) =>
    node.localName === "hui-root" ? node : children(node).map(find).find(Boolean);
  const dashboard = find(document.body);
  if (dashboard === undefined) return ["(no dashboard)"];
  const shown = new Set(texts(dashboard).map((text) => text.data.trim()));
  return unwanted.filter((text) => shown.has(text));
}}"""
"""Returns those of some texts that are on the dashboard."""
SPEAK = """async ([language, locale, charger]) => {
  const hass = document.querySelector("home-assistant").hass;
  await hass.callWS({type: "config/core/update", language});
  // The names of entities are in the language in which they were added.
  const ours = {type: "config_entries/get", domain: "nexblue_local"};
  for (const {entry_id} of await hass.callWS(ours)) {
    const path = `config/config_entries/entry/${entry_id}/reload`;
    await hass.callApi("POST", path);
  }
  for (const {id, url_path} of await hass.callWS({type: "lovelace/dashboards/list"})) {
    if (url_path === "nexblue-charging") {
      await hass.callWS({type: "lovelace/dashboards/delete", dashboard_id: id});
    }
  }
  const device = Object.values(hass.devices).find(({name}) => name === charger);
  const target = {device_id: device.id};
  await hass.callService("nexblue_local", "create_dashboard", {}, target);
  localStorage.setItem("selectedLanguage", JSON.stringify(locale));
}"""
"""Changes the language, and creates the dashboard anew in that language."""
SHORTEN_GRAPH = """async ([dashboard, hours]) => {
  const hass = document.querySelector("home-assistant").hass;
  const config = await hass.callWS({type: "lovelace/config", url_path: dashboard});
  for (const {cards} of config.views[0].sections) {
    for (const card of cards.filter(({type}) => type === "history-graph")) {
      card.hours_to_show = hours;
    }
  }
  await hass.callWS({type: "lovelace/config/save", url_path: dashboard, config});
}"""
KEY = "[a-z0-9]+(?:_[a-z0-9]+)+"
"""What a key of a translation looks like."""


class Frontend:
    """A page of Home Assistant's frontend.

    It consists of web components, whose shadow roots Playwright's locators look into.
    """

    def __init__(self, page: Page, url: str, folder: Path) -> None:
        """Initialize the page; its screenshots are saved in the folder."""
        self.page = page
        self.folder = folder
        self._url = url
        page.set_default_timeout(TIMEOUT)
        expect.set_options(timeout=TIMEOUT)
        self._look(WIDE)

    def open(self, path: str) -> None:
        """Open a page by its path."""
        url = f"{self._url}{path}"
        try:
            self.page.goto(url)
        except PlaywrightError as error:
            # A dialog that closes goes back in the history, and may do so only now.
            if "ERR_ABORTED" not in error.message:
                raise
            self.page.goto(url)

    def button(self, name: str) -> Locator:
        """Return the button with exactly this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        """Press the button with exactly this name."""
        self.button(name).click()

    def see(self, *texts: str) -> None:
        """Wait until each of these texts is shown."""
        for text in texts:
            shown = self.page.get_by_text(text).filter(visible=True)
            expect(shown.first).to_be_visible()

    def see_nothing_of(self, text: str) -> None:
        """Wait until a text is not shown."""
        expect(self.page.get_by_text(text).filter(visible=True)).to_have_count(0)

    def see_none_of(self, texts: Iterable[str], what: str) -> None:
        """Raise AssertionError if one of these whole texts stays on the dashboard."""
        self._expect_none(ON_DASHBOARD, what, sorted(texts))

    def see_repairs(self, count: int) -> None:
        """Wait until the sidebar shows how many repairs there are."""
        name = re.compile(rf"\bSettings {count}$" if count else "^Settings$")
        expect(self.page.get_by_role("link", name=name)).to_be_visible()

    def see_button(self, name: str) -> None:
        """Wait until the button with exactly this name is shown."""
        expect(self.button(name)).to_be_visible()

    def see_tile(self, name: str, state: str) -> None:
        """Wait until a tile of the dashboard shows a state, a regular expression."""
        tile = re.compile(f"^{re.escape(name)} {state}$")
        try:
            expect(self.page.get_by_role("button", name=tile)).to_be_visible()
        except AssertionError:
            found = self.page.get_by_role("button", name=re.compile(f"^{name} "))
            shown = [each.aria_snapshot() for each in found.all()]
            raise AssertionError(f"{name} is not {state}; shown: {shown}") from None

    def see_heading(self, name: str, badge: str) -> None:
        """Wait until a heading of the dashboard has a badge with this text."""
        heading = self.page.locator("hui-heading-card").filter(has_text=name)
        expect(heading.filter(has_text=badge)).to_be_visible()

    def choose_entity(self, field: str, name: str) -> None:
        """Choose an entity in a field of a form."""
        self.page.get_by_role("button", name=field).click()
        self.page.get_by_role("option", name=name).click()
        # The form is drawn anew before the next field can be filled in.
        expect(self.page.get_by_role("button", name=f"{field} {name}")).to_be_visible()

    def enter(self, field: str, value: str) -> None:
        """Enter a number in a field of a form."""
        self.page.get_by_role("spinbutton", name=field).fill(value)

    def enter_optional(self, field: str, value: str) -> None:
        """Enter a number in a field of an action, which a checkbox enables."""
        row = self.page.locator("ha-settings-row").filter(
            has=self.page.get_by_text(field, exact=True)
        )
        row.locator("ha-checkbox").click()
        row.get_by_role("spinbutton").fill(value)

    def download(self, link: str) -> str:
        """Press a button that downloads a text file, and return the text."""
        with self.page.expect_download() as download:
            self.press(link)
        failure = download.value.failure()
        assert failure is None, f"Home Assistant sent no file: {failure}"
        file: Path = download.value.path()
        return file.read_text()

    def speak(self, language: str, charger: str) -> None:
        """Change the language of the server, of this page and of the dashboard."""
        # As the page has it at first: with a clock of 24 hours.
        locale = "en-GB" if language == "en" else language
        self.page.evaluate(SPEAK, [language, locale, charger])

    def shorten_graph(self, dashboard: str, hours: float) -> None:
        """Let the graph of a dashboard, given by its path, show as many hours."""
        self.page.evaluate(SHORTEN_GRAPH, [dashboard, hours])

    def wait(self, minutes: float) -> None:
        """Let time pass."""
        self.page.wait_for_timeout(minutes * 60_000)

    def picture(self, name: str, *, everywhere: bool = False, height: int = 0) -> None:
        """Save a screenshot of the wide page, or also on a phone and in the dark.

        `height` in px shows more than what fits on the screen.
        """
        self.page.evaluate("scrollTo(0, 0)")
        self._expect_no_keys()
        for device, size in (("wide", WIDE), ("phone", PHONE)):
            for scheme in ("light", "dark"):
                if everywhere or (device, scheme) == ("wide", "light"):
                    self._look(size, dark=scheme == "dark", height=height)
                    self._expect_none(CUT_OFF, "Texts are cut off")
                    self._save(f"{name}-{device}-{scheme}")
        self._look(WIDE)

    def failure(self, name: str) -> None:
        """Save a screenshot and what is on the page as text."""
        self._save(f"{name}-failed")
        (self.folder / f"{name}-failed.txt").write_text(
            self.page.locator("body").aria_snapshot()
        )

    def _look(
        self, size: Mapping[str, int], *, dark: bool = False, height: int = 0
    ) -> None:
        self.page.set_viewport_size({**size, "height": max(size["height"], height)})
        self.page.emulate_media(color_scheme="dark" if dark else "light")

    def _expect_no_keys(self) -> None:
        """Raise AssertionError if the key of a translation is shown."""
        keys = re.findall(
            rf"^(?!.*/url: ).*\b{KEY}\b.*$",
            self.page.locator("body").aria_snapshot(),
            re.MULTILINE,
        )
        assert not keys, f"Keys of translations are shown: {keys}"

    def _expect_none(self, find: str, what: str, argument: object = None) -> None:
        """Raise AssertionError if a function in the page goes on to find something."""
        # After a change of the size or of the page, it takes a moment.
        with contextlib.suppress(PlaywrightTimeout):
            self.page.wait_for_function(
                f"(argument) => ({find})(argument).length === 0",
                arg=argument,
                timeout=SETTLED_TIMEOUT,
            )
        found = self.page.evaluate(find, argument)
        assert not found, f"{what}: {found}"

    def _save(self, name: str) -> None:
        self.page.screenshot(
            path=self.folder / f"{name}.png", animations="disabled", caret="hide"
        )
