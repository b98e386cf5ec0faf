"""Dialing through real proxies, in a network where everything that goes around them would be seen."""

import shutil
import subprocess
import time

import pytest

from peers import certificates, ours
from peers.clock import Deadline
from peers.namespaces import TwoNetworks, packets
from peers.onion_proxy import OnionProxy
from peers.processes import tied
from peers.tls_proxy import TLSProxy

PORT = 3128
TCP, UDP = 6, 17


@pytest.fixture(scope="module")
def networks():
    try:
        made = TwoNetworks()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    yield made
    made.remove()


class Proxy:
    """A real proxy in the far network."""

    def __init__(self, kind, networks, room):
        self.port = PORT
        self.url = f"{'socks5' if kind == 'microsocks' else 'http'}://{networks.PROXY}:{PORT}"
        if kind == "tinyproxy":
            configuration = room / "tinyproxy.conf"
            configuration.write_text(f"Port {PORT}\nListen {networks.PROXY}\nTimeout 60\nMaxClients 20\nAllow {networks.NEAR}\n")
            command = ["tinyproxy", "-d", "-c", configuration]
        elif kind.startswith("squid"):
            configuration = room / "squid.conf"
            port = f"http_port {networks.PROXY}:{PORT}"
            if kind == "squid-tls":
                chain, key = certificates.make(room, name="proxy.test", addresses=[networks.PROXY])
                # Beside another one, which the module may have started.
                self.port, self.authority = PORT + 1, chain
                self.url = f"https://{networks.PROXY}:{self.port}"
                port = f"https_port {networks.PROXY}:{self.port} tls-cert={chain} tls-key={key}"
            configuration.write_text(
                f"{port}\nhttp_access allow all\ncache deny all\naccess_log none\n"
                f"cache_log /dev/null\npid_filename none\nhosts_file /etc/hosts\nshutdown_lifetime 0 seconds\n"
                "cache_effective_user proxy\npinger_enable off\n"
            )
            command = ["squid", "-N", "-f", configuration]
        else:
            command = ["microsocks", "-i", networks.PROXY, "-p", str(PORT)]
        if shutil.which(command[0]) is None:
            pytest.skip(f"no {command[0]} here")
        self._process = subprocess.Popen(
            tied([str(part) for part in [*networks.knowing_the_name, *command]]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait_until_it_listens(networks)

    def _wait_until_it_listens(self, networks):
        probe = f"import socket; socket.create_connection(('{networks.PROXY}', {self.port}), 1)"
        deadline = Deadline(15)
        while subprocess.run([*networks.far, "python3", "-c", probe], capture_output=True).returncode:
            assert self._process.poll() is None, "the proxy has ended"
            assert not deadline.is_over, "the proxy does not listen"
            time.sleep(0.05)

    def stop(self):
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture(scope="module", params=["tinyproxy", "squid", "microsocks"])
def proxy(request, networks, tmp_path_factory):
    made = Proxy(request.param, networks, tmp_path_factory.mktemp("proxy"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def daemon(networks, keys):
    listens = [f"/ip4/{networks.TARGET}/tcp/0", f"/ip4/{networks.TARGET}/tcp/0/ws"]
    made = ours.Daemon(listens, key=keys("ed25519"), wrapper=networks.far)
    yield made
    assert made.stop() == 0


@pytest.fixture
def witness(networks):
    made = networks.witness()
    yield made
    made.stop()


def near(networks):
    return networks.near


@pytest.mark.parametrize("host", ["address", "name"])
@pytest.mark.parametrize("transport", ["tcp", "ws"])
class TestThroughAProxy:
    def test_everything_goes_through(self, networks, proxy, daemon, witness, transport, host):
        address = daemon.addresses[0 if transport == "tcp" else 1]
        if host == "name":
            address = address.replace(f"/ip4/{networks.TARGET}/", f"/dns4/{networks.NAME}/")
        payload = b"through and through " * 5_000
        outcome = ours.run(
            "echo", address, "--proxy", proxy.url, stdin=payload, wrapper=near(networks), timeout=60
        )
        assert outcome.code == 0, outcome
        assert outcome.stdout == payload
        time.sleep(0.2)
        assert packets(witness) == {(TCP, networks.PROXY, PORT)}


def test_the_environment_names_it(networks, proxy, daemon, witness):
    outcome = ours.run(
        "ping", daemon.address, "--count", 1, wrapper=near(networks), variables={"ALL_PROXY": proxy.url}
    )
    assert outcome.code == 0, outcome
    assert packets(witness) == {(TCP, networks.PROXY, PORT)}


@pytest.mark.parametrize("form", ["{}/", "{}/path?x", " {} "])
def test_the_environment_names_it_as_curl_takes_it(networks, proxy, daemon, witness, form):
    url = proxy.url.removeprefix("http://")
    outcome = ours.run(
        "ping", daemon.address, "--count", 1, wrapper=near(networks), variables={"http_proxy": form.format(url)}
    )
    assert outcome.code == 0, outcome
    assert packets(witness) == {(TCP, networks.PROXY, PORT)}


def test_the_environment_excepts(networks, proxy, daemon, witness):
    """NO_PROXY is about the environment's proxy alone: nothing goes around one that is asked for by --proxy."""
    variables = {"HTTPS_PROXY": proxy.url, "NO_PROXY": f"example.com,{networks.TARGET}/31"}
    outcome = ours.run("ping", daemon.address, "--count", 1, wrapper=near(networks), variables=variables)
    assert outcome.code == 0, outcome
    assert packets(witness) == {(TCP, networks.TARGET, int(daemon.address.split("/")[4]))}
    outcome = ours.run(
        "ping", daemon.address, "--count", 1, "--proxy", proxy.url, wrapper=near(networks), variables=variables
    )
    assert outcome.code == 0, outcome
    assert packets(witness) == {
        (TCP, networks.TARGET, int(daemon.address.split("/")[4])),
        (TCP, networks.PROXY, PORT),
    }


def test_what_the_proxy_cannot_reach_is_named(networks, proxy, daemon, witness):
    address = f"/ip4/{networks.TARGET}/tcp/1/p2p/{daemon.peer}"
    outcome = ours.run("ping", address, "--proxy", proxy.url, wrapper=near(networks))
    assert outcome.code != 0
    assert "proxy at" in outcome.stderr, outcome
    assert packets(witness) == {(TCP, networks.PROXY, PORT)}


class TestWithoutAProxy:
    @pytest.mark.parametrize("target", ["ip4/{address}/tcp/{port}", "dns4/example.com/tcp/{port}/tls/ws"])
    @pytest.mark.parametrize("scheme", ["http", "socks5"])
    def test_nothing_goes_around_a_proxy_that_is_not_there(self, networks, daemon, witness, scheme, target):
        port = daemon.address.split("/")[4]
        address = f"/{target.format(address=networks.TARGET, port=port)}/p2p/{daemon.peer}"
        outcome = ours.run("ping", address, "--proxy", f"{scheme}://{networks.PROXY}:9", wrapper=near(networks))
        assert outcome.code != 0
        time.sleep(0.2)
        assert packets(witness) == {(TCP, networks.PROXY, 9)}

    def test_the_witness_sees(self, networks, daemon, witness):
        """Without --proxy the same dial goes straight to its target."""
        outcome = ours.run("ping", daemon.address, "--count", 1, wrapper=near(networks))
        assert outcome.code == 0, outcome
        time.sleep(0.2)
        assert packets(witness) == {(TCP, networks.TARGET, int(daemon.address.split("/")[4]))}


class TestOnionServices:
    SERVICE = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd"

    @pytest.mark.parametrize("transport", ["tcp", "ws"])
    def test_the_proxy_is_asked_by_name(self, keys, transport):
        suffix = "/ws" if transport == "ws" else ""
        daemon = ours.Daemon(f"/ip4/127.0.0.1/tcp/0{suffix}", key=keys("ed25519"))
        proxy = OnionProxy(f"{self.SERVICE}.onion", daemon.endpoint)
        address = f"/onion3/{self.SERVICE}:4001{suffix}/p2p/{daemon.peer}"
        outcome = ours.run("echo", address, "--proxy", proxy.url, "--message", "hello in there")
        assert outcome.code == 0, outcome
        assert outcome.stdout.rstrip() == b"hello in there"
        assert proxy.asked == [(f"{self.SERVICE}.onion", 4001)]
        assert ours.run("ping", address).code != 0
        proxy.close()
        assert daemon.stop() == 0


class TestAnOddEnvironment:
    """What makes no sense costs the dials that need it, and nothing else."""

    ODD = {"http_proxy": "gopher://me:secret@nowhere:70"}

    def test_a_daemon_starts_and_is_reached(self, keys):
        daemon = ours.Daemon(key=keys("ed25519"), wrapper=["env", *(f"{name}={value}" for name, value in self.ODD.items())])
        outcome = ours.run("ping", daemon.address, "--count", 1, variables={**self.ODD, "no_proxy": "127.0.0.0/8"})
        assert outcome.code == 0, outcome
        refused = ours.run("ping", daemon.address, "--count", 1, "--json", variables=self.ODD)
        assert refused.code == 1 and "http_proxy" in refused.error["message"], refused
        assert "secret" not in refused.stderr + refused.stdout.decode()
        assert ours.run("ping", daemon.address, "--count", 1, "--proxy", "none", variables=self.ODD).code == 0
        assert daemon.stop() == 0

    def test_what_dials_nothing_does_not_look(self, tmp_path):
        assert ours.run("key", "new", "--out", tmp_path / "node.key", variables=self.ODD).code == 0


class TestTLSToTheProxy:
    @pytest.fixture
    def start(self, tmp_path):
        """Starts a proxy whose certificate is for that name and those addresses; returns it and its authority."""
        started = []

        def start(**subject):
            room = tmp_path / str(len(started))
            room.mkdir()
            chain, key = certificates.make(room, **subject)
            started.append(TLSProxy(chain, key))
            return started[-1], chain

        yield start
        for proxy in started:
            proxy.close()

    @pytest.fixture
    def target(self, keys):
        chain, key = certificates.shared()
        listens = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws", "/ip4/127.0.0.1/tcp/0/tls/ws"]
        daemon = ours.Daemon(listens, key=keys("ed25519"), options=["--tls-cert", chain, "--tls-key", key])
        yield daemon
        assert daemon.stop() == 0

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    def test_everything_goes_through(self, start, target, host):
        proxy, authority = start()
        for address in target.addresses:
            # Within the tunnel, TLS knows the target's address, and not the proxy's.
            outcome = ours.run(
                "ping", address, "--count", 1, "--proxy", f"https://me:s3kr3t@{host}:{proxy.port}", "--proxy-ca", authority,
                "--tls-ca", certificates.shared()[0],
            )  # fmt: skip
            assert outcome.code == 0, outcome
        assert proxy.asked == ["127.0.0.1:" + address.split("/")[4] for address in target.addresses]
        assert set(proxy.heard) == {"me:s3kr3t"}

    @pytest.mark.parametrize("subject", [{"name": "elsewhere.test"}, {"name": "localhost", "addresses": ()}, None], ids=str)
    def test_who_is_somebody_else_hears_no_password(self, start, target, subject):
        proxy, authority = start(**(subject or {}))
        # For the address alone, for the name alone, and by an authority that nobody knows.
        host = "127.0.0.1" if subject and not subject.get("addresses", True) else "localhost"
        trust = ["--proxy-ca", authority] if subject else []
        outcome = ours.run(
            "ping", target.address, "--proxy", f"https://me:s3kr3t@{host}:{proxy.port}", *trust, "--json", "--timeout", 5
        )
        assert outcome.code == 1 and "https proxy at" in outcome.error["message"], outcome
        assert "s3kr3t" not in outcome.stderr and proxy.asked == proxy.heard == []

    def test_the_environment_names_it(self, start, target):
        proxy, authority = start()
        variables = {"https_proxy": f"https://localhost:{proxy.port}"}
        outcome = ours.run("ping", target.address, "--count", 1, "--proxy-ca", authority, variables=variables)
        assert outcome.code == 0 and len(proxy.asked) == 1, outcome

    def test_a_real_one(self, networks, daemon, witness, tmp_path):
        tmp_path.chmod(0o755)
        squid = Proxy("squid-tls", networks, tmp_path)
        try:
            outcome = ours.run(
                "ping", daemon.address, "--count", 1, "--proxy", squid.url, "--proxy-ca", squid.authority, wrapper=near(networks)
            )
            assert outcome.code == 0, outcome
            assert packets(witness) == {(TCP, networks.PROXY, squid.port)}
        finally:
            squid.stop()


class TestTheEnvironmentGovernsDials:
    """What can't go through a proxy is not ended by one that is meant for every program; nothing goes around it unasked."""

    def test_a_daemon_listens_and_announces_as_ever(self, networks, witness):
        variables = ["env", f"ALL_PROXY=http://{networks.PROXY}:9"]
        listens = [f"/ip4/{networks.NEAR}/tcp/0", f"/ip4/{networks.NEAR}/udp/0/quic-v1"]
        made = ours.Daemon(listens, options=["--mdns"], wrapper=[*near(networks), *variables])
        try:
            for address in made.addresses:
                assert ours.run("ping", address, "--count", 1, wrapper=networks.far).code == 0
            seen = Deadline(5)
            while (UDP, "224.0.0.251", 5353) not in packets(witness):
                assert not seen.is_over, "it announces nothing"
                time.sleep(0.05)
            outcome = ours.run("discover", "--timeout", 2, "--json", wrapper=networks.far)
            assert [item["peer"] for item in outcome.objects] == [made.peer]
        finally:
            assert made.stop() == 0

    def test_quic_dials_what_is_excepted(self, networks, witness):
        made = ours.Daemon(f"/ip4/{networks.TARGET}/udp/0/quic-v1", wrapper=networks.far)
        variables = {"ALL_PROXY": f"http://{networks.PROXY}:9"}
        try:
            outcome = ours.run("ping", made.address, "--json", wrapper=near(networks), variables=variables)
            assert outcome.code == 1 and "ALL_PROXY" in outcome.error["message"], outcome
            assert not any(protocol in (TCP, UDP) for protocol, _, _ in packets(witness))
            for bypass in (networks.TARGET, "10.0.0.0/8", "*"):
                excepted = {**variables, "NO_PROXY": bypass}
                outcome = ours.run("ping", made.address, "--count", 1, wrapper=near(networks), variables=excepted)
                assert outcome.code == 0, outcome
        finally:
            assert made.stop() == 0

    def test_what_a_command_is_told_goes_around_for_nobody(self, keys):
        outcome = ours.run(
            "daemon", "--mdns", "--proxy", "http://127.0.0.1:9", "--listen", "/ip4/127.0.0.1/tcp/0", "--json", timeout=20
        )
        assert outcome.code == 1 and outcome.error["code"] == "invalidConfiguration", outcome
