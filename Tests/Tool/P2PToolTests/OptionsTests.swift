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
            ["daemon", "--web-echo", "echo"], ["daemon", "--web-echo", ""], ["daemon", "--web-echo", "/echo?x"],
        ])
    func usage(arguments: [String]) {
        let error = #expect(throws: (any Error).self) { _ = try P2PCommand.parseAsRoot(arguments) }
        #expect(error.map { P2PCommand.exitCode(for: $0) } == .validationFailure)
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
