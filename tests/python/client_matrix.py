"""usage: client_matrix.py URL json|msgpack

What every client can do, for python-socketio and one parser, on each transport. The playground at the URL speaks what the
parser does. `tests/js/client-matrix.mjs` has the same scenarios in the same order.
"""

import asyncio
import sys
from pprint import pformat

from socketio import AsyncClient
from socketio.exceptions import ConnectionError

SERIALIZERS = {"json": "default", "msgpack": "msgpack"}
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}
DEADLINE_SECONDS = 30


class Client:
    """A connection that has joined some namespaces while it is entered, and what was heard on it."""

    def __init__(self, *namespaces, auth=None):
        self.namespaces = namespaces or ("/",)
        self.auth = auth
        self.seen = {name: [] for name in self.namespaces}
        self.events = asyncio.Queue()
        self.left = asyncio.Queue()
        self.refusals = []
        self.sio = AsyncClient(reconnection=False, serializer=SERIALIZERS[format], handle_sigint=False)
        for name in self.namespaces:
            self.sio.on("*", self._hears(name), namespace=name)
            self.sio.on("disconnect", self.left.put_nowait, namespace=name)
            self.sio.on("connect_error", self.refusals.append, namespace=name)

    def _hears(self, namespace):
        def hears(event, *args):
            self.seen[namespace].append([event, *args])
            self.events.put_nowait([event, *args])

        return hears

    async def __aenter__(self):
        names = list(self.namespaces)
        await self.sio.connect(url, auth=self.auth, transports=TRANSPORTS[mode], namespaces=names, wait_timeout=10)
        same(self.sio.transport(), TRANSPORTS[mode][-1])
        return self

    async def __aexit__(self, *_):
        await self.sio.disconnect()

    async def emit(self, event, *args, namespace="/"):
        await self.sio.emit(event, args, namespace=namespace)

    async def ask(self, event, *args, namespace="/"):
        """The arguments of the server's answer."""
        answered = asyncio.get_running_loop().create_future()
        answer = lambda *values: answered.set_result(list(values))
        await self.sio.emit(event, args, namespace=namespace, callback=answer)
        return await answered

    async def sends(self, event, *args):
        """Sends an event; it has gone out when the next one is answered."""
        await self.emit(event, *args)
        await self.ask("reply")

    async def leaves(self, act):
        """The reason for which it leaves, in its own words, and in the server's, which another client asks for."""
        sid = self.sio.get_sid("/")
        await act()
        ours = await self.left.get()
        async with Client() as witness:
            theirs = [None]
            while theirs == [None]:
                theirs = await witness.ask("reason-of", sid)
        return [ours, *theirs]


def same(actual, expected):
    """Fails if one is not the other. As text, since 1 equals True; the keys of dictionaries are sorted in it."""
    if pformat(actual) != pformat(expected):
        raise AssertionError(f"{actual!r} instead of {expected!r}")


async def echoes(*args):
    """Sends the arguments as an event, which must come back as it was."""
    async with Client() as client:
        await client.emit("echo", *args)
        same(await client.events.get(), ["echo", *args])


async def refusal(namespace, auth):
    client = Client(namespace, auth=auth)
    try:
        async with client:
            raise AssertionError(f"{namespace} lets in {auth}")
    except ConnectionError:
        return client.refusals


async def text():
    await echoes('水 é 😀 \0 \\ "', "", 1, -2.5, True, None, [1, [2]], {"a": {"b": []}})


async def without_arguments():
    await echoes()


async def binary():
    await echoes(bytes([0, 1, 254, 255]), "between", bytes([7]) * 70_000)


async def nested_binary():
    await echoes({"a": [{"b": b"deep"}], "c": 1}, [b"in a list"])


async def binary_of_the_server():
    async with Client() as client:
        await client.emit("send-binary")
        nested = {"bytes": b"\1\2\3", "list": ["a", b"\4"]}
        same(await client.events.get(), ["binary", nested, b""])


async def order():
    async with Client() as client:
        sent = [f"event {i}".encode() if i % 3 == 0 else f"event {i}" for i in range(100)]
        # This client refuses to read more than 16 packets that come in one answer to its poll.
        for burst in (sent[i : i + 10] for i in range(0, 100, 10)):
            for event in burst:
                await client.emit("echo", event)
            await client.ask("reply")
        same(client.seen["/"], [["echo", event] for event in sent])


async def ack_of_the_server():
    async with Client() as client:
        same(await client.ask("reply"), [])
        sent = [1, "2", {"three": [b"3"]}]
        same(await client.ask("reply", *sent), sent)
        same(await asyncio.gather(*(client.ask("reply", i) for i in range(10))), [[i] for i in range(10)])


async def ack_of_the_client():
    async with Client() as client:
        client.sio.on("question", lambda *args: ("got", list(args)))
        for question in [["really", 7], [b"b", {"nested": b"c"}]]:
            await client.emit("ask", *question)
            same(await client.events.get(), ["answered", True, "got", question])


async def namespaces():
    async with Client("/", "/chat", "/news") as client:
        same(len({client.sio.get_sid(name) for name in client.namespaces}), 3)
        same(await client.ask("where", namespace="/chat"), ["/chat"])
        same(await client.ask("where", namespace="/news"), ["/news"])
        await client.emit("echo", b"binary", "in a namespace", namespace="/news")
        await client.emit("echo", "for chat", namespace="/chat")
        # One connection keeps the order of all its namespaces, so that all echoes come before the last ack.
        await client.ask("reply")
        news = ["echo", b"binary", "in a namespace"]
        same(client.seen, {"/": [], "/chat": [["echo", "for chat"]], "/news": [news]})


async def rooms():
    async with Client() as ada, Client() as bob, Client() as eve:
        for client in (ada, bob):
            same(await client.ask("join", "tea"), [])
        same(await ada.ask("rooms"), [["tea"]])

        await eve.sends("to-room", "tea", {"milk": b"m"})
        await ada.sends("to-others-in-room", "tea", "for bob")
        await ada.sends("to-room", eve.sio.get_sid("/"), "for eve")
        same(await bob.ask("leave", "tea"), [])
        await bob.sends("to-room", "tea", "for ada")
        await bob.sends("to-others", "all but bob")
        await eve.sends("to-all", 1, b"2")

        # What was meant for a client comes before the next answer that it gets.
        for client in (ada, bob, eve):
            await client.ask("reply")
        milk, but_bob, to_all = ["room", {"milk": b"m"}], ["all", "all but bob"], ["all", 1, b"2"]
        same(ada.seen["/"], [milk, ["room", "for ada"], but_bob, to_all])
        same(bob.seen["/"], [milk, ["room", "for bob"], to_all])
        same(eve.seen["/"], [["room", "for eve"], but_bob, to_all])


async def middleware():
    data = {"retry": False, "hint": ["token"]}
    same(await refusal("/members", {"token": "wrong"}), [{"message": "not authorized", "data": data}])
    async with Client("/members", auth={"token": "secret"}) as client:
        same(await client.events.get(), ["welcome", "secret"])


async def no_such_namespace():
    same(await refusal("/nowhere", None), [{"message": "Invalid namespace"}])


async def the_server_ends_a_socket():
    async with Client() as client:
        reasons = await client.leaves(lambda: client.emit("leave-me"))
        same(reasons, ["server disconnect", "server namespace disconnect"])


async def the_server_ends_a_connection():
    async with Client() as client:
        reasons = await client.leaves(lambda: client.emit("close-me"))
        same(reasons, ["server disconnect", "server namespace disconnect"])


async def the_client_ends_a_socket():
    async with Client() as client:
        ours, theirs = await client.leaves(client.sio.disconnect)
        same(ours, "client disconnect")
        # This client ends the connection, too, and may do so before its packet is out or dealt with.
        same(theirs in {"client namespace disconnect", "transport close", "forced close"} or theirs, True)


SCENARIOS = {
    "an event with text": text,
    "an event without arguments": without_arguments,
    "an event with binary": binary,
    "an event with nested binary": nested_binary,
    "nested binary of the server's own": binary_of_the_server,
    "100 events in order": order,
    "the server's ack": ack_of_the_server,
    "the client's ack": ack_of_the_client,
    "namespaces on one connection": namespaces,
    "rooms and broadcasts": rooms,
    "middleware refuses, with data, and lets in": middleware,
    "a namespace that does not exist": no_such_namespace,
    "the server ends a socket": the_server_ends_a_socket,
    "the server ends a connection": the_server_ends_a_connection,
    "the client ends a socket": the_client_ends_a_socket,
}


async def step(name, scenario):
    """Runs one scenario; a failure or a missed deadline names it."""
    try:
        await asyncio.wait_for(scenario(), DEADLINE_SECONDS)
    except BaseException:
        print(f"FAILED {name}", file=sys.stderr)
        raise
    print(f"ok: {name}", flush=True)


if len(sys.argv) != 3 or sys.argv[2] not in SERIALIZERS:
    sys.exit("usage: client_matrix.py URL json|msgpack")
_, url, format = sys.argv
for mode in TRANSPORTS:
    for name, scenario in SCENARIOS.items():
        asyncio.run(step(f"{mode}: {name}", scenario))
