import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PReachability

@Suite("What is concluded about reachability")
struct ReachabilityTests {
    private static let behindNAT: [Multiaddr] = [
        "/ip4/127.0.0.1/tcp/4001", "/ip4/192.168.1.7/tcp/4001", "/ip4/192.168.1.7/udp/4001/quic-v1",
    ]
    private static let gateway = IPAddress(v4: 0xc0a8_0101)
    private static let local = IPAddress(v4: 0xc0a8_0107)

    private static func facts(_ listening: [Multiaddr], _ change: (inout ReachabilityFacts) -> Void = { _ in }) -> ReachabilityFacts {
        var facts = ReachabilityFacts()
        facts.listening = listening
        change(&facts)
        return facts
    }

    private static func verdict(_ address: Multiaddr, _ state: AddressReport.Verdict) -> ReachabilityFacts.Verdict {
        ReachabilityFacts.Verdict(
            address: address, state: state, servers: 3, networks: 3, lastError: state == .unreachable ? "timed out" : nil)
    }

    private static func seen(_ address: Multiaddr, by observers: Int) -> ObservedAddress {
        ObservedAddress(address: address, observers: observers, isConfirmed: observers >= 4)
    }

    @Test("A node that nobody has tried knows nothing, and says what to do")
    func unknown() {
        let reachability = Reachability(Self.facts(Self.behindNAT))
        #expect(reachability.state == .unknown && reachability.addresses.isEmpty && reachability.diagnosis.kind == .unknown)
        #expect(reachability.remedy.contains("--bootstrap"))
        let nowhere = Reachability(Self.facts(["/ip4/127.0.0.1/tcp/4001"]))
        #expect(nowhere.diagnosis.kind == .notListening && nowhere.remedy.contains("--listen"))
    }

    @Test("A public address is a claim until somebody has come in")
    func open() {
        let address: Multiaddr = "/ip4/45.33.0.21/tcp/4001"
        let claimed = Reachability(Self.facts([address]))
        #expect(claimed.state == .unknown && claimed.addresses.map(\.source) == [.listening])
        let open = Reachability(
            Self.facts([address]) {
                $0.servers = 3
                $0.verdicts = [Self.verdict(address, .reachable)]
            })
        #expect(open.state == .public && open.diagnosis.kind == .open && open.remedy.isEmpty)
        let closed = Reachability(
            Self.facts([address]) {
                $0.servers = 3
                $0.verdicts = [Self.verdict(address, .unreachable)]
            })
        #expect(closed.state == .private && closed.diagnosis.kind == .firewall)
        #expect(closed.remedy == "Allow incoming TCP 4001 in the firewall of this machine, or of its network.")
    }

    @Test("A mapping of the router's is a claim, too, and its address has its source")
    func mapped() {
        let address: Multiaddr = "/ip4/45.33.0.1/tcp/4001"
        let router = ReachabilityFacts.Router(
            gateway: Self.gateway, localAddress: Self.local, mapped: [ReachabilityFacts.Router.Mapped(address: address, method: "pcp")])
        let claimed = Reachability(Self.facts(Self.behindNAT) { $0.router = router })
        #expect(claimed.state == .unknown && claimed.addresses.map(\.source.description) == ["pcp"])
        let proved = Reachability(
            Self.facts(Self.behindNAT) {
                $0.router = router
                $0.servers = 3
                $0.verdicts = [Self.verdict(address, .reachable)]
            })
        #expect(proved.state == .public && proved.diagnosis.kind == .mapped && proved.remedy.isEmpty)
    }

    @Test(
        "The router's kind shows in what peers see",
        arguments: [
            (observers: [6], kind: Diagnosis.Kind.coneNAT), ([1, 1, 1, 1, 1], .symmetricNAT), ([1], .nat), ([], .unknown),
            ([3, 2], .coneNAT), ([2], .coneNAT), ([2, 1], .coneNAT), ([1, 1], .symmetricNAT),
        ])
    func kinds(_ row: (observers: [Int], kind: Diagnosis.Kind)) {
        let facts = Self.facts(Self.behindNAT) {
            $0.observed = row.observers.enumerated().map {
                Self.seen(Multiaddr(ip: IPAddress(v4: 0x2d21_0016), udp: UInt16(4_001 + $0.offset)), by: $0.element)
            }
        }
        let diagnosis = Reachability(facts).diagnosis
        #expect(diagnosis.kind == row.kind && diagnosis.tcp == .unknown)
    }

    @Test("Two outer ports of two inner ones say nothing, three do")
    func severalPorts() {
        let listening = Self.behindNAT + ["/ip4/192.168.1.7/udp/4002/quic-v1"]
        func kind(_ ports: [UInt16]) -> Diagnosis.Kind {
            let facts = Self.facts(listening) {
                $0.observed = ports.map { Self.seen(Multiaddr(ip: IPAddress(v4: 0x2d21_0016), udp: $0), by: 1) }
            }
            return Reachability(facts).diagnosis.kind
        }
        #expect(kind([5_001, 5_002]) == .nat && kind([5_001, 5_002, 5_003]) == .symmetricNAT)
    }

    @Test("Two routers in a row: the first says so, or maps an address that nobody sees")
    func doubleNAT() {
        let says = Reachability(
            Self.facts(Self.behindNAT) {
                $0.router = ReachabilityFacts.Router(gateway: Self.gateway, localAddress: Self.local, isBehindAnotherNAT: true)
            })
        #expect(says.diagnosis.kind == .doubleNAT && says.remedy.contains("provider"))
        let differs = Reachability(
            Self.facts(Self.behindNAT) {
                $0.router = ReachabilityFacts.Router(
                    gateway: Self.gateway, localAddress: Self.local,
                    mapped: [ReachabilityFacts.Router.Mapped(address: "/ip4/45.33.9.9/tcp/4001", method: "upnp")])
                $0.observed = [Self.seen("/ip4/45.33.0.22/udp/4001", by: 2)]
            })
        #expect(differs.diagnosis.kind == .doubleNAT)
    }

    @Test("Whoever knows nothing of routers is told what to forward where")
    func remedies() {
        let plain = Reachability(Self.facts(Self.behindNAT) { $0.observed = [Self.seen("/ip4/45.33.0.22/udp/4001/quic-v1", by: 5)] })
        #expect(
            plain.remedy.hasPrefix(
                "Let the router map the ports (--port-mapping), or have it forward TCP 4001 and UDP 4001 to 192.168.1.7."))
        let refused = Reachability(
            Self.facts(Self.behindNAT) {
                $0.observed = [Self.seen("/ip4/45.33.0.22/udp/4001/quic-v1", by: 5)]
                $0.router = ReachabilityFacts.Router(gateway: Self.gateway, localAddress: Self.local, failures: ["no"])
            })
        #expect(
            refused.remedy.hasPrefix(
                "Switch on UPnP or NAT-PMP in the router (192.168.1.1), or have it forward TCP 4001 and UDP 4001 to 192.168.1.7."))
    }

    @Test("UDP that never gets through, and IPv6 alone, are said besides")
    func besides() {
        let blocked = Reachability(
            Self.facts(Self.behindNAT) {
                $0.dials.tcpSucceeded = 3
                $0.dials.quicFailed = 3
            })
        #expect(blocked.diagnosis.isUDPBlocked && blocked.remedy.contains("no UDP out") && blocked.remedy.contains("over TCP alone"))
        let deaf = Reachability(
            Self.facts(["/ip4/192.168.1.7/udp/4001/quic-v1"]) {
                $0.dials.tcpSucceeded = 3
                $0.dials.quicFailed = 2
            })
        #expect(deaf.diagnosis.isUDPBlocked && deaf.remedy.contains("listen on TCP as well"))
        let six: Multiaddr = "/ip6/2a01:4f8::7/tcp/4001"
        let ipv6 = Reachability(
            Self.facts(Self.behindNAT + [six]) {
                $0.servers = 3
                $0.verdicts = [Self.verdict(six, .reachable)]
            })
        #expect(ipv6.state == .public && ipv6.diagnosis.isIPv6Only && ipv6.remedy.contains("IPv4"))
    }

    @Test("An assumed address that somebody reached counts, and one that relays lend does not")
    func sources() {
        let facts = Self.facts(Self.behindNAT + ["/ip4/45.33.0.9/tcp/4001/p2p-circuit"]) {
            $0.servers = 1
            $0.verdicts = [Self.verdict("/ip4/45.33.0.22/tcp/4001", .unreachable)]
        }
        let reachability = Reachability(facts)
        #expect(reachability.state == .private)
        #expect(reachability.addresses.map(\.source) == [.relayed, .assumed])
    }
}
