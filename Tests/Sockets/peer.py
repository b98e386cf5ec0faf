"""The other side of the tests of plain sockets: one scenario a run, what it saw as lines of JSON."""

import hashlib
import json
import os
import select
import signal
import socket
import ssl
import struct
import sys
import tempfile
import time

LOOPBACK = "127.0.0.1"


def say(**what):
    print(json.dumps(what), flush=True)


def listening(family=socket.AF_INET, host=LOOPBACK):
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, 0))
    server.listen(16)
    say(port=server.getsockname()[1])
    return server


def accepted(**options):
    connection, _ = listening(**options).accept()
    return connection


def drain(connection, pause=0.0, size=65536):
    """Reads to the end; how many bytes, their hash, and how it ended."""
    digest, count, end = hashlib.sha256(), 0, "eof"
    try:
        while piece := connection.recv(size):
            digest.update(piece)
            count += len(piece)
            if pause:
                time.sleep(pause)
    except ConnectionResetError:
        end = "reset"
    return {"bytes": count, "sha256": digest.hexdigest(), "end": end}


def echo(host=LOOPBACK):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    connection = accepted(family=family, host=host)
    count = 0
    while piece := connection.recv(65536):
        connection.sendall(piece)
        count += len(piece)
    connection.shutdown(socket.SHUT_WR)
    say(echoed=count)
    connection.close()


def sink(pause="0", size="65536"):
    """A slow reader, which finishes when it has read to the end."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    server.bind((LOOPBACK, 0))
    server.listen(1)
    say(port=server.getsockname()[1])
    connection, _ = server.accept()
    say(**drain(connection, float(pause), int(size)))
    connection.close()


def late_sink():
    """Reads nothing until it is told to."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    server.bind((LOOPBACK, 0))
    server.listen(1)
    say(port=server.getsockname()[1])
    connection, _ = server.accept()
    sys.stdin.readline()
    say(**drain(connection))
    connection.close()


def reset(after="0"):
    """Says five bytes, reads so many, and resets."""
    connection = accepted()
    connection.sendall(b"hello")
    wanted = int(after)
    while wanted > 0:
        wanted -= len(connection.recv(wanted))
    sys.stdin.readline()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    say(done=True)


def fin(count="0"):
    """Sends so many bytes, finishes, and reads to the end."""
    connection = accepted()
    data = os.urandom(int(count))
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    say(sent=hashlib.sha256(data).hexdigest())
    say(**drain(connection))
    connection.close()


def pieces(*sizes):
    """Sends pieces, each when it is told to."""
    connection = accepted()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for size in sizes:
        sys.stdin.readline()
        connection.sendall(b"x" * int(size))
    sys.stdin.readline()
    connection.close()


def blocked(count):
    """Sends so many bytes, and says when it could not go on for half a second."""
    connection = accepted()
    data = os.urandom(int(count))
    connection.setblocking(False)
    sent, wasBlocked = 0, False
    while sent < len(data):
        _, writable, _ = select.select([], [connection], [], 0.5)
        if writable:
            sent += connection.send(data[sent : sent + 65536])
        elif not wasBlocked:
            wasBlocked = True
            say(blocked=sent)
    connection.shutdown(socket.SHUT_WR)
    say(sent=hashlib.sha256(data).hexdigest())
    connection.setblocking(True)
    connection.recv(1)


def hold():
    """Accepts and does nothing until it is told to look."""
    connection = accepted()
    say(accepted=True)
    sys.stdin.readline()
    say(**drain(connection))


def full_backlog():
    """A port whose queue is full: who comes gets no answer."""
    server = socket.socket()
    server.bind((LOOPBACK, 0))
    server.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(server.getsockname())
        fillers.append(filler)
    time.sleep(0.2)
    say(port=server.getsockname()[1])
    sys.stdin.readline()


def dialers(port, count):
    """Dials so often; says how many the system has let in, then, when told to, what each one reads."""
    sockets = []
    for _ in range(int(count)):
        sockets.append(socket.create_connection((LOOPBACK, int(port)), timeout=10))
    say(connected=len(sockets))
    sys.stdin.readline()
    ends = {"eof": 0, "reset": 0, "served": 0, "open": 0}
    for each in sockets:
        each.settimeout(5)
        try:
            data = each.recv(16)
            ends["served" if data else "eof"] += 1
        except ConnectionResetError:
            ends["reset"] += 1
        except TimeoutError:
            ends["open"] += 1
    say(**ends)


def dial(port, host=LOOPBACK):
    """One client: sends its line, finishes, and says what came."""
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(b"hello from python\n")
    connection.shutdown(socket.SHUT_WR)
    say(**drain(connection))


def context(chain, key):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(chain + key)
        file.flush()
        tls.load_cert_chain(file.name)
    return tls


def tls_echo():
    material = json.loads(sys.stdin.readline())
    tls = context(material["chain"], material["key"])
    connection = accepted()
    try:
        connection = tls.wrap_socket(connection, server_side=True)
    except (ssl.SSLError, OSError) as error:
        say(failed=type(error).__name__)
        return
    count = 0
    while piece := connection.recv(65536):
        connection.sendall(piece)
        count += len(piece)
    say(echoed=count)
    connection.unwrap().close()


def starttls(early=""):
    """A mail server, as far as STARTTLS; `early` is what somebody on the way adds to its answer in the clear."""
    material = json.loads(sys.stdin.readline())
    tls = context(material["chain"], material["key"])
    connection = accepted()
    connection.sendall(b"220 peer.test\r\n")
    while b"STARTTLS" not in connection.recv(1024):
        pass
    connection.sendall(b"220 go ahead\r\n" + early.encode())
    try:
        secure = tls.wrap_socket(connection, server_side=True)
        while piece := secure.recv(65536):
            secure.sendall(piece)
        secure.unwrap().close()
        say(ended=True)
    except (ssl.SSLError, OSError) as error:
        say(failed=type(error).__name__)


def tls_dial(port):
    """A client that believes anybody, and echoes nothing: sends, finishes TLS, says what came."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((LOOPBACK, int(port)), timeout=10) as raw, tls.wrap_socket(raw) as secure:
        secure.sendall(b"hello over tls\n")
        say(came=secure.recv(1024).decode())


def websocket_opened(port, path, *fields, upgrades=True):
    """The status of the answer, its fields, and the connection with what has come behind it."""
    connection = socket.create_connection((LOOPBACK, int(port)))
    lines = [f"GET {path} HTTP/1.1", f"Host: {LOOPBACK}", *fields]
    if upgrades:
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    stream = connection.makefile("rb")
    status = stream.readline().split()[1].decode()
    answer = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(":")
        answer[name.lower()] = value.strip()
    return status, answer, connection, stream


def websocket_frame(opcode, payload):
    """Masked with a key of nought, which changes nothing."""
    length = len(payload)
    size = struct.pack("!B", 0x80 | length) if length < 126 else struct.pack("!BH", 0xFE, length) if length < 65536 else struct.pack("!BQ", 0xFF, length)
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


def websocket_frames(stream):
    """Opcode and payload of each frame that comes, to the end."""
    while head := stream.read(2):
        length = head[1] & 0x7F
        if length >= 126:
            length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
        yield head[0] & 0x0F, stream.read(length)


def websocket(port, path, count):
    """Opens one, sends bytes, and ends when all of them have come back."""
    status, answer, connection, stream = websocket_opened(port, path, "Sec-WebSocket-Protocol: other, binary")
    assert status == "101", status
    sent, back = os.urandom(int(count)), b""
    for first in range(0, len(sent), 70_000):
        connection.sendall(websocket_frame(2, sent[first : first + 70_000]))
    for opcode, payload in websocket_frames(stream):
        if opcode == 2:
            back += payload
        if len(back) >= len(sent):
            break
    connection.sendall(websocket_frame(8, struct.pack("!H", 1000)))
    say(protocol=answer.get("sec-websocket-protocol"), same=back == sent)


def websocket_status(port, path, fields=""):
    """The status of a request; without one for a WebSocket for a dash."""
    asked = [] if fields in ("", "-") else [fields]
    say(status=websocket_opened(port, path, *asked, upgrades=fields != "-")[0])


def websocket_drain(port):
    """Reads slowly, to the end; whether a close frame was the last."""
    _, _, connection, stream = websocket_opened(port, "/")
    count, opcode = 0, None
    for opcode, payload in websocket_frames(stream):
        count += len(payload) if opcode == 2 else 0
        if opcode == 8:
            connection.sendall(websocket_frame(8, payload))
            break
        time.sleep(0.005)
    say(bytes=count, closed=opcode == 8)


def websocket_first(port, *fields):
    """The sub-protocol that is agreed on, once something has come; leaves without a word."""
    _, answer, _, stream = websocket_opened(port, "/", *fields)
    next(websocket_frames(stream))
    say(protocol=answer.get("sec-websocket-protocol", "none"))


def websocket_unmasked(port):
    """Sends a frame that is not masked, once something has come; whether a close frame is the answer."""
    _, _, connection, stream = websocket_opened(port, "/")
    frames = websocket_frames(stream)
    next(frames)
    connection.sendall(bytes([0x82, 1, 0]))
    say(closed=any(opcode == 8 for opcode, _ in frames))


def udp_echo(host=LOOPBACK):
    """Sends each datagram back; says its size."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((host, 0))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    say(port=server.getsockname()[1])
    while True:
        # Whoever started this is gone when its input ends.
        if sys.stdin in select.select([server, sys.stdin], [], [])[0]:
            return
        data, sender = server.recvfrom(65535)
        say(size=len(data))
        server.sendto(data, sender)


def udp_send(port, count, host=LOOPBACK):
    """Sends so many numbered datagrams, then, when told to, one more; says what comes back."""
    client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(int(count)):
        client.sendto(b"%d" % number, (host, int(port)))
    say(sent=int(count))
    client.settimeout(10)
    data, _ = client.recvfrom(65535)
    say(came=data.decode())


def udp_group(group, port):
    """Sends to a group on the loopback interface."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
    client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    say(ready=True)
    while text := sys.stdin.readline():
        client.sendto(text.strip().encode(), (group, int(port)))
        say(sent=text.strip())


if __name__ == "__main__":
    # Who starts it may have signals blocked, which it would inherit; no test takes as long.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.alarm(150)
    globals()[sys.argv[1]](*sys.argv[2:])
