"""Announce a simulated charger by mDNS."""

from types import TracebackType
from typing import Self

from zeroconf import InterfaceChoice
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

SERVICE_TYPE = "_nexblue_modbus._tcp.local."
NAME = "NexBlue-EVC-Modbus"


class Announcement:
    """The mDNS announcement of a charger, as an asynchronous context manager."""

    def __init__(self, address: str, port: int, *, name: str = NAME) -> None:
        """Initialize the announcement.

        A loopback address is announced on the loopback interface only.
        """
        self._zeroconf = AsyncZeroconf(
            interfaces=[address]
            if address.startswith("127.")
            else InterfaceChoice.Default
        )
        self._info = AsyncServiceInfo(
            SERVICE_TYPE,
            f"{name}.{SERVICE_TYPE}",
            parsed_addresses=[address],
            port=port,
            server=f"{name}.local.",
        )

    async def __aenter__(self) -> Self:
        """Announce the charger."""
        # `strict` rejects the vendor's service type: DNS-SD forbids underscores in names.
        announced = await self._zeroconf.async_register_service(
            self._info, strict=False, allow_name_change=True
        )
        await announced
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Withdraw the announcement."""
        await self._zeroconf.async_unregister_all_services()
        await self._zeroconf.async_close()
