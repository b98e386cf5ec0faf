import ArgumentParser
import Logging
import P2P
import P2PMultiaddr
import P2PPipeline
import Testing

@testable import P2PTool

@Suite("The command line")
struct OptionsTests {
    private static let address = "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWPoiqJzAb8rMWVu2CWDhsnfPjacpbBTXEaAu4Z9sGXPRW"

    private func parse<Command: ParsableCommand>(_ arguments: String...) throws -> Command {
        try #require(try P2PCommand.parseAsRoot(arguments) as? Command)
    }

    @Test("The name of the service of local discovery is a label, and needs local discovery")
    func mdnsService() throws {
        let options = try DiscoveryOptions.parse(["--mdns", "--mdns-service", "_p2p"])
        #expect(options.mdnsService == "_p2p")
        for arguments in [["--mdns-service", "_p2p"], ["--mdns", "--mdns-service", ""], ["--mdns", "--mdns-service", "a.b"]] {
            #expect(throws: (any Error).self) { try DiscoveryOptions.parse(arguments) }
        }
        #expect(throws: (any Error).self) { try DiscoverCommand.parse(["--mdns-service", String(repeating: "x", count: 64)]) }
    }

    @Test("Ping has sane defaults")
    func pingDefaults() throws {
        let ping: PingCommand = try self.parse("ping", Self.address)
        #expect(ping.target.address.description == Self.address)
        #expect(!ping.target.anyPeer)
        #expect(ping.count == 5)
        #expect(ping.interval.duration == .seconds(1))
        #expect(ping.node.timeout.duration == .seconds(10))
        #expect(ping.node.key == nil && ping.node.psk == nil && !ping.node.noEarlyMuxer)
        #expect(ping.node.security.isEmpty && ping.node.muxer.isEmpty)
        #expect(!ping.output.json)
    }

    @Test("Every command that connects takes the node's options", arguments: ["ping", "echo", "identify", "perf", "daemon", "interop"])
    func nodeOptions(command: String) throws {
        var arguments = [command]
        if command != "daemon", command != "interop" { arguments.append(Self.address) }
        if command == "perf" { arguments += ["--upload", "1"] }
        arguments += ["--key", "k", "--security", "noise", "--security", "tls", "--muxer", "yamux", "--timeout", "0.5", "--json"]
        arguments += ["--psk", "swarm.key", "--no-early-muxer"]
        let parsed = try P2PCommand.parseAsRoot(arguments)
        let node: NodeOptions
        switch parsed {
        case let command as PingCommand: node = command.node
        case let command as EchoCommand: node = command.node
        case let command as IdentifyCommand: node = command.node
        case let command as PerfCommand: node = command.node
        case let command as DaemonCommand: node = command.node
        case let command as InteropCommand: node = command.node
        default: throw ValidationError("not a command that connects")
        }
        #expect(node.key == "k")
        #expect(node.security == [.noise, .tls])
        #expect(node.muxer == [.yamux])
        #expect(node.timeout.duration == .milliseconds(500))
        #expect(node.psk == "swarm.key")
        #expect(node.noEarlyMuxer)
        #expect((parsed as? any ToolCommand)?.output.json == true)
    }

    @Test("Secure channels and muxers keep their order; plaintext must be asked for by a name of its own")
    func preference() throws {
        let ping: PingCommand = try self.parse(
            "ping", Self.address, "--security", "tls", "--muxer", "mplex", "--security", "noise", "--muxer", "yamux")
        #expect(ping.node.securityChannels?.map(\.protocolID) == ["/tls/1.0.0", "/noise"])
        #expect(ping.node.muxer.map(\.muxer.protocolID) == ["/mplex/6.7.0", "/yamux/1.0.0"])
        let plain: PingCommand = try self.parse("ping", Self.address, "--insecure-plaintext")
        #expect(plain.node.securityChannels?.map(\.protocolID) == ["/plaintext/2.0.0"])
        let usual: PingCommand = try self.parse("ping", Self.address)
        #expect(usual.node.securityChannels?.count == nil)
    }

    @Test(
        "The options about output stand before or behind the name of a key's command",
        arguments: [["key", "new", "--json"], ["key", "--json", "new"]])
    func keyOptions(arguments: [String]) throws {
        let new = try #require(try P2PCommand.parseAsRoot(arguments) as? KeyNewCommand)
        #expect(new.output.json)
        #expect(new.output.level == .notice)
        let show: KeyShowCommand = try self.parse("key", "--log-level", "debug", "show", "k")
        #expect(show.output.level == .debug && !show.output.json)
        let psk: KeyPSKCommand = try self.parse("key", "--log-level", "debug", "psk", "--log-level", "error")
        #expect(psk.output.level == .error)
        _ = try #require(try P2PCommand.parseAsRoot(["key", "--json"]) as? KeyCommand)
    }

    @Test("A daemon listens on all that it is told")
    func listens() throws {
        let daemon: DaemonCommand = try self.parse("daemon", "--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip6/::1/tcp/1")
        #expect(daemon.listen.map(\.description) == ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/1"])
    }

    @Test(
        "Wrong usage ends with 64",
        arguments: [
            ["no-such-command"], ["ping"], ["ping", "not an address"], ["ping", "/ip4/127.0.0.1/tcp/65536"],
            ["ping", address, "--count", "-1"],
            ["ping", address, "--timeout", "0"], ["ping", address, "--timeout", "nan"], ["ping", address, "--security", "rot13"],
            ["ping", address, "--security", "plaintext"], ["ping", address, "--security", "noise", "--security", "noise"],
            ["ping", address, "--muxer", "spdy"], ["ping", address, "--muxer", "mplex", "--muxer", "mplex"],
            ["ping", address, "--insecure-plaintext", "--security", "noise"], ["perf", address], ["perf", address, "--upload", "1 parsec"],
            ["perf", address, "--upload", "1", "--streams", "0"],
            ["perf", address, "--upload", "1", "--streams", "65"], ["key", "new", "--type", "dsa"], ["daemon", "--listen"],
            ["key", "psk", "--encoding", "bin"], ["key", "psk", "--show", "a", "--out", "b"], ["daemon", "--psk"],
            ["daemon", "--limit"], ["daemon", "--limit", "connections"], ["daemon", "--limit", "=5"],
            ["daemon", "--limit", "connections="],
            ["daemon", "--limit", "connections=0"], ["daemon", "--limit", "connections=-1"], ["daemon", "--limit", "connections=1e3"],
            ["daemon", "--limit", "connections=99999999999999999999"], ["daemon", "--limit", "connections= 5"],
            ["daemon", "--limit", "Connections=5"], ["daemon", "--limit", "no=5"], ["daemon", "--limit", "patience=0"],
            ["daemon", "--limit", "content=1 parsec"], ["daemon", "--limit", "connections=5", "--limit", "connections=6"],
            ["daemon", "--trusted-proxy", "example.org"], ["daemon", "--trusted-proxy", "10.0.0.0/33"], ["daemon", "--allow", ""],
            ["daemon", "--allow", "12D3KooW"],
            ["daemon", "--web-echo", "echo"], ["daemon", "--web-echo", ""], ["daemon", "--web-echo", "/echo?x"],
        ])
    func usage(arguments: [String]) {
        let error = #expect(throws: (any Error).self) { _ = try P2PCommand.parseAsRoot(arguments) }
        #expect(error.map { P2PCommand.exitCode(for: $0) } == .validationFailure)
    }

    @Test("Every limit has its option, with a value of its unit")
    func limits() throws {
        let daemon: DaemonCommand = try self.parse(
            "daemon", "--limit", "connectionsPerAddress=1000", "--limit", "pendingInboundAllowed=0", "--limit", "windowBudget=64MiB",
            "--limit", "handshakeTimeout=2.5", "--limit", "waiting=9", "--limit", "idle=off", "--limit", "quic.handshakes=2000", "--limit",
            "yamux.streams=7", "--limit", "memoryPerPeer=9MiB", "--limit", "memory=64MiB",
            "--limit", "mplex.unread=65536", "--trusted-proxy", "10.0.0.0/24", "--trusted-proxy", "2001:db8::1", "--allow", "192.0.2.0/24",
            "--allow", "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5", "--limit", "connectionsLow=10", "--limit",
            "connectionGrace=60",
            "--limit", "memoryPerNetwork=1MiB")
        var setup = NodeSetup()
        try daemon.arrivals.apply(to: &setup)
        let host = setup.configuration.host
        #expect(host.limits.connectionsPerAddress == 1_000 && host.limits.pendingInboundAllowed == 0)
        #expect(host.limits.connections == ResourceLimits.server.connections)
        #expect(setup.configuration.windowBudget == 64 << 20)
        #expect(host.limits.memory == 64 << 20 && host.limits.memoryPerPeer == 9 << 20 && host.limits.memoryAllowed == 8 << 20)
        #expect(host.handshakeTimeout == .milliseconds(2_500))
        #expect(setup.webSockets.configuration.limits.waiting == 9 && setup.webSockets.configuration.limits.idle == nil)
        #expect(setup.quic.configuration.maximumHandshakes == 2_000)
        #expect(setup.yamux.maximumStreams == 7 && setup.mplex.maximumUnread == 65_536)
        #expect(host.networks.proxies.map(\.description) == ["10.0.0.0/24", "2001:db8::1"])
        #expect(host.networks.allowed.map(\.description) == ["192.0.2.0/24"])
        #expect(host.networks.allowedPeers.map(\.description) == ["12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"])
        #expect(host.limits.watermarks == (10, ResourceLimits.server.connections) && host.limits.connectionGrace == .seconds(60))
        #expect(host.limits.memoryPerNetwork == 1 << 20)
    }

    @Test("A phone asks its peers as seldom as the mobile settings of each transport say")
    func phone() throws {
        let daemon: DaemonCommand = try self.parse("daemon", "--preset", "phone")
        var setup = NodeSetup()
        try daemon.arrivals.apply(to: &setup)
        let (quic, mobile) = (setup.quic.configuration, QUICConfiguration.mobile)
        #expect(quic.idleTimeout == mobile.idleTimeout && quic.keepAliveInterval == mobile.keepAliveInterval)
        #expect(quic.busyKeepAliveInterval == mobile.busyKeepAliveInterval && quic.busyPatience == mobile.busyPatience)
        #expect(setup.configuration.host.limits == .phone)
    }

    @Test("No window grows beyond half of what a peer may hold")
    func windows() throws {
        let daemon: DaemonCommand = try self.parse("daemon", "--limit", "memoryPerPeer=6MiB")
        var setup = NodeSetup()
        try daemon.arrivals.apply(to: &setup)
        #expect(setup.yamux.maximumWindow == 3 << 20 && setup.yamux.maximumWindowGrowth == 3 << 20)
        #expect(setup.quic.configuration.maximumWindow == 3 << 20 && setup.quic.configuration.maximumStreamWindow == 3 << 20)
    }

    @Test("The list of limits names each once, with its default and unit, and stands in the help and in the message for one that is none")
    func limitList() throws {
        let names = LimitSetting.all.map(\.name)
        #expect(Set(names).count == names.count)
        let lines = LimitSetting.list.split(separator: "\n")
        #expect(lines.count == names.count)
        #expect(LimitSetting.list.contains("connectionsPerAddress (128): "))
        #expect(LimitSetting.list.contains("patience (10 seconds): "))
        #expect(LimitSetting.list.contains("content (1048576 bytes): "))
        let help = P2PCommand.helpMessage(for: DaemonCommand.self, columns: 200)
        for name in names { #expect(help.contains("\(name) ("), "\(name)") }
        let error = #expect(throws: (any Error).self) { _ = try P2PCommand.parseAsRoot(["daemon", "--limit", "no=5"]) }
        let message = error.map { P2PCommand.message(for: $0) } ?? ""
        for name in names { #expect(message.contains("\(name) ("), "\(name)") }
        // No limit of the host, or of its web clients, is without its option.
        for value in [ResourceLimits(), WebLimits()] as [Any] {
            for child in Mirror(reflecting: value).children { #expect(names.contains(child.label ?? "")) }
        }
        // Every default is a value that the option takes.
        for line in lines {
            let parts = line.split(separator: " (", maxSplits: 1)
            let value = parts[1].prefix { $0.isNumber }
            var setup = NodeSetup()
            try LimitSetting.apply(["\(parts[0])=\(value)"], to: &setup)
        }
    }

    @Test("Seconds may have a fraction, and end")
    func seconds() {
        #expect(Seconds(argument: "0")?.duration == .zero)
        #expect(Seconds(argument: "0.25")?.duration == .milliseconds(250))
        #expect(Seconds(argument: "-1") == nil)
        #expect(Seconds(argument: "inf") == nil)
        #expect(Seconds(argument: "1e300") == nil)
    }
}
