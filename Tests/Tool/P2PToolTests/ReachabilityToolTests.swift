import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PTool

@Suite("What the tool says of reachability")
struct ReachabilityToolTests {
    private static let address: Multiaddr = "/ip4/45.33.0.1/tcp/4001"

    @Test(
        "The troubles of a dial have a word, a step and advice",
        arguments: [
            (TransportError.Code.gated, "no", "policy", DialTrouble.Step.policy), (.unresolvable, "no", "name", .name),
            (.timedOut, "it did not resolve by the deadline", "name", .name),
            (.timedOut, "the handshakes were not done", "black-hole", .secure),
            (.timedOut, "it did not answer within 5 ms", "silence", .connect),
            (.unreachable, "connection refused (errno: 111)", "refusal", .connect),
            (.unreachable, "it did not answer within 5 s", "silence", .connect), (.unreachable, "network is unreachable", "route", .route),
            (.peerMismatch, "no", "wrong-peer", .peer), (.negotiationFailed, "no", "no-protocol", .secure),
            (.closed, "no", "closed", .secure),
            (.protectionFailed, "no", "private-network", .secure), (.clocksDisagree, "no", "clock", .secure),
            (.resourceLimit, "no", "limit", .policy),
            (.unsupportedAddress, "no", "no-transport", .address), (TransportError.Code("another"), "no", "unknown", .connect),
        ])
    func troubles(_ code: TransportError.Code, _ message: String, _ problem: String, _ step: DialTrouble.Step) {
        let attempt = DialAttempt(address: Self.address, error: TransportError(code, message))
        let trouble = DialTrouble(DialError(.allAddressesFailed, "no", attempts: [attempt]), at: Self.address)
        #expect(trouble.problem == problem && trouble.step == step && !trouble.advice.isEmpty)
    }

    @Test("What lies beneath an error counts, too")
    func causes() {
        let error = TransportError(
            .unreachable, "no connection", cause: TransportError(.closed, "x", cause: ToolError("a", "connection refused")))
        #expect(DialTrouble(error, at: Self.address).problem == "refusal")
    }

    @Test("Without a word of the options, the ports are mapped that --listen names, and no others")
    func mapping() throws {
        let mapped = { (arguments: [String], listen: [Multiaddr], isConfined: Bool) throws in
            try ReachabilityOptions.parse(arguments).modules(listening: listen, isConfined: isConfined, for: NodeSetup()).contains {
                $0 is PortMapping
            }
        }
        #expect(try mapped([], ["/ip4/0.0.0.0/tcp/4001"], false))
        #expect(try mapped([], ["/ip4/192.168.1.7/udp/4001/quic-v1"], false))
        #expect(try !mapped([], ["/ip4/0.0.0.0/tcp/0"], false))
        #expect(try !mapped([], ["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001"], false))
        #expect(try !mapped([], ["/ip4/0.0.0.0/tcp/4001"], true))
        #expect(try mapped(["--port-mapping"], ["/ip4/0.0.0.0/tcp/0"], false))
        #expect(try !mapped(["--no-port-mapping"], ["/ip4/0.0.0.0/tcp/4001"], false))
    }

    @Test("Without --explain the text is the state and the addresses")
    func unexplained() {
        let text = "private (firewall)\nA wall.\nWhat to do: open it.\n  /ip4/45.33.0.1/tcp/4001  unreachable  (listens there; no)"
        #expect(ReachCommand.unexplained(text).split(separator: "\n").count == 2)
        #expect(ReachCommand.unexplained(text).hasPrefix("private (firewall)\n  /ip4/45.33.0.1/tcp/4001  unreachable"))
    }

    @Test("Either a daemon that runs, or peers to ask")
    func arguments() {
        #expect(throws: (any Error).self) { try ReachCommand.parse([]) }
        #expect(throws: (any Error).self) { try ReachCommand.parse(["--bootstrap", "/ip4/45.33.0.1/tcp/4001"]) }
        #expect(throws: Never.self) { try ReachCommand.parse(["--data", "node", "--explain"]) }
    }

    @Test("An address that leads nowhere, or to a network in which this machine is not, is remarked on")
    func remarks() throws {
        let machine = LocalNetworks([
            LocalNetworks.Link(
                name: "eth0", index: 2, prefixes: [InterfaceAddress(address: IPAddress(v4: 0xc0a8_0107), length: 24)])
        ])
        #expect(AddressRemark("/ip4/0.0.0.0/tcp/1", in: machine)?.isFatal == true)
        #expect(AddressRemark("/ip4/10.0.0.1/tcp/1", in: machine)?.isFatal == false)
        #expect(AddressRemark("/ip4/127.0.0.1/tcp/1", in: machine)?.isFatal == false)
        for address: Multiaddr in ["/ip4/192.168.1.9/tcp/1", "/ip4/45.33.0.1/tcp/1", "/dns4/example.org/tcp/1"] {
            #expect(AddressRemark(address, in: machine) == nil)
        }
    }
}
