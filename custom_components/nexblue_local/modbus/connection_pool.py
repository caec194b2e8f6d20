"""The connection pool: at most one connection to each charger."""

import asyncio
import socket
import time

from .errors import CannotConnect, ConnectionReleased
from .transport import Connection


class Endpoint:
    """A host and port with at most one connection at a time, shared by its users."""

    def __init__(self, host: str, port: int) -> None:
        """Initialize the endpoint; it connects when it is used."""
        self.host = host
        self.port = port
        self.users = 0
        self.is_closed = False
        self.addresses: set[str] = set()
        """All IP addresses that it connected to, or tried to."""
        self._address: str | None = None
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._suspended_until = 0.0

    @property
    def was_flooded(self) -> bool:
        """Return whether data without a request closed the last connection."""
        return self._connection is not None and self._connection.was_flooded

    def suspend(self, seconds: float) -> float:
        """Close the connection, and do not connect for a time.

        Return the end of that time on the monotonic clock, for `resume`.
        """
        self._suspended_until = time.monotonic() + seconds
        self.disconnect()
        return self._suspended_until

    def resume(self, suspended_until: float) -> None:
        """Allow to connect again before the end of the time.

        Does nothing if the endpoint has been suspended again since.
        """
        if self._suspended_until == suspended_until:
            self._suspended_until = 0.0

    async def connect(self) -> Connection:
        """Return the open connection, or resolve the host and connect.

        Raises CannotConnect, or ConnectionReleased while the endpoint is suspended.
        """
        async with self._lock:
            if self._connection is None or not self._connection.is_open:
                self.disconnect()
                self._check_allowed()
                self._address = await resolve(self.host)
                self.addresses.add(self._address)
                self._connection = await Connection.open(self._address, self.port)
                self._check_allowed()
            return self._connection

    async def address(self) -> str:
        """Return the IP address of the connection, or the one to connect to."""
        if self._address is not None and self._connection is not None:
            return self._address
        return await resolve(self.host)

    def _check_allowed(self) -> None:
        if self.is_closed:
            self.disconnect()
            raise CannotConnect("the connection pool is closed")
        if (left := self._suspended_until - time.monotonic()) > 0:
            self.disconnect()
            raise ConnectionReleased(left)

    def disconnect(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Close the connection, and do not connect again."""
        self.is_closed = True
        self.disconnect()


class ConnectionPool:
    """Connection pool: one endpoint for each host and port, shared by its users.

    A charger accepts one client at a time, so that all users of an address have to
    share its connection. Hosts are compared as text: two names of one charger get two
    endpoints, which compete for its connection. `acquire_by_address` avoids that.
    """

    def __init__(self) -> None:
        """Initialize an empty pool."""
        self._endpoints: dict[tuple[str, int], Endpoint] = {}
        self._is_closed = False

    def acquire(self, host: str, port: int) -> Endpoint:
        """Return the endpoint of a host and port; release it after use."""
        endpoint = self._endpoints.get((host, port))
        if endpoint is None:
            endpoint = self._endpoints[host, port] = Endpoint(host, port)
            endpoint.is_closed = self._is_closed
        endpoint.users += 1
        return endpoint

    async def acquire_by_address(self, host: str, port: int) -> Endpoint:
        """Do the same, but share the endpoint of another name of the address.

        All hosts in use that are not connected are resolved for it.
        """
        if (host, port) not in self._endpoints:
            others = [other for other in self._endpoints.values() if other.port == port]
            address, *addresses = await asyncio.gather(
                resolve(host), *(other.address() for other in others)
            )
            if address in addresses:
                host = others[addresses.index(address)].host
        return self.acquire(host, port)

    def release(self, endpoint: Endpoint) -> None:
        """Release an endpoint; it is closed when its last user releases it."""
        endpoint.users -= 1
        if endpoint.users == 0:
            del self._endpoints[endpoint.host, endpoint.port]
            endpoint.close()

    def close(self) -> None:
        """Close all endpoints; those that are acquired later do not connect."""
        self._is_closed = True
        for endpoint in self._endpoints.values():
            endpoint.close()


async def resolve(host: str) -> str:
    """Return the IP address of a host; the host if it cannot be resolved."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, None, type=socket.SOCK_STREAM
        )
    except OSError, ValueError:  # An invalid host name is a ValueError.
        return host
    addresses = {family: str(address[0]) for family, *_, address in reversed(found)}
    return addresses.get(socket.AF_INET) or next(iter(addresses.values()))
