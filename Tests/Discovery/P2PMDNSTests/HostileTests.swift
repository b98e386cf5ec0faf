import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PTesting
import Testing

@testable import P2PMDNS

@Suite("Local discovery among enemies")
struct HostileTests {
    private let stranger = MDNSSource(ip: Network.ip(9), port: 5_353)

    private func announcement(
        _ instance: String, _ strings: [String], of service: MDNSService, timeToLive: UInt32 = 100
    ) throws -> [UInt8] {
        let name = try DNSName(labels: [Array(instance.utf8)] + service.name.labels.map { Array($0) })
        var message = DNSMessage(isResponse: true)
        message.answers = [DNSRecord(name, timeToLive: timeToLive, .text(strings.map { Array($0.utf8) }))]
        return try message.encoded()
    }

    private func node() throws -> (Network, MDNSService) {
        var network = Network()
        _ = try network.add(try Network.peer())
        return (network, network.nodes[0].machine.service)
    }

    @Test("Whoever is not on the link is not heard")
    func offLink() throws {
        var (network, service) = try self.node()
        let packet = try self.announcement("x", ["dnsaddr=/ip4/10.0.0.9/tcp/1/p2p/\(Network.peer())"], of: service)
        for ip in [IPAddress(v4: 0x0a00_0109), IPAddress(v4: 0x0808_0808), .loopbackV4, IPAddress(v6: 0xfe80_0000_0000_0000, 1)] {
            network.inject(packet, from: MDNSSource(ip: ip, port: 5_353), to: 0)
        }
        #expect(network.nodes[0].found.count == 1, "only the link-local one is near")
        #expect(network.nodes[0].refusals == Array(repeating: "the sender is not on the link", count: 3))
        network.inject(packet, from: MDNSSource(ip: Network.ip(9), port: 40_000), to: 0)
        #expect(network.nodes[0].refusals.last == "an answer from port 40000")
    }

    @Test("Garbage is refused with a reason and changes nothing")
    func garbage() throws {
        var (network, _) = try self.node()
        try network.run(for: .seconds(3))
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<500 {
            let length = Int.random(in: 0...200, using: &generator)
            network.inject((0..<length).map { _ in .random(in: 0...255, using: &generator) }, from: self.stranger, to: 0)
        }
        #expect(network.nodes[0].found == [])
        #expect(network.nodes[0].refusals.count > 400)
        #expect(network.nodes[0].machine.peerCount == 0)
    }

    @Test("A flood of invented peers from one machine stops at a limit, and an honest neighbour is still found")
    func inventedPeers() throws {
        var (network, service) = try self.node()
        let peer = try Network.peer()
        for number in 0..<2_000 {
            let packet = try self.announcement("x\(number)", ["dnsaddr=/ip4/10.0.0.9/tcp/1/p2p/\(peer)"], of: service)
            network.inject(packet, from: self.stranger, to: 0)
            network.now = network.now + .milliseconds(10)
        }
        #expect(network.nodes[0].machine.peerCount == MDNSCache.limitPerSource)
        #expect(network.nodes[0].found.count == MDNSCache.limitPerSource)
        _ = try network.add(try Network.peer())
        try network.run(for: .seconds(2))
        #expect(network.nodes[0].machine.peerCount == MDNSCache.limitPerSource + 1)
    }

    @Test("Invented peers from many machines stop at the limit of all, and come in at a bounded rate")
    func inventedMachines() throws {
        var (network, service) = try self.node()
        let peer = try Network.peer()
        for number in 0..<5_000 {
            let packet = try self.announcement("x\(number)", ["dnsaddr=/ip4/10.0.0.9/tcp/1/p2p/\(peer)"], of: service)
            network.inject(packet, from: MDNSSource(ip: Network.ip(UInt32(2 + number % 250)), port: 5_353), to: 0)
            network.now = network.now + .milliseconds(3)
        }
        // 15 s at 20 a second, after a burst of 256.
        #expect((500...600).contains(network.nodes[0].machine.peerCount))
        for number in 5_000..<30_000 {
            let packet = try self.announcement("x\(number)", ["dnsaddr=/ip4/10.0.0.9/tcp/1/p2p/\(peer)"], of: service, timeToLive: 4_000)
            network.inject(packet, from: MDNSSource(ip: Network.ip(UInt32(2 + number % 250)), port: 5_353), to: 0)
            network.now = network.now + .milliseconds(3)
        }
        #expect(network.nodes[0].machine.peerCount <= MDNSCache.limit)
    }

    @Test("However much it is asked, a node sends no more than its rate")
    func queryFlood() throws {
        var (network, service) = try self.node()
        var query = DNSMessage(isResponse: false)
        query.questions = [DNSQuestion(service.name, .ptr)]
        let packet = try query.encoded()
        query.questions[0].wantsUnicast = true
        let unicast = try query.encoded()
        for number in 0..<20_000 {
            let source = MDNSSource(ip: Network.ip(UInt32(2 + number % 200)), port: number % 3 == 0 ? 5_353 : 999)
            network.inject(number % 2 == 0 ? packet : unicast, from: source, to: 0)
            try network.run(for: .milliseconds(1))
        }
        // 20 s: a burst of 15, then one a second.
        #expect(network.nodes[0].sent.count <= 40)
        #expect(network.nodes[0].refusals.contains("more packets than are looked at"))
    }

    @Test("What does not belong is left out of an announcement; what is left is one peer's, without zones and relays")
    func strangeStrings() throws {
        var (network, service) = try self.node()
        let (peer, other) = (try Network.peer(), try Network.peer())
        network.inject(
            try self.announcement(
                "x",
                [
                    "", "dnsaddr=", "dnsaddr=nonsense", "DNSADDR=/ip4/10.0.0.1/tcp/1/p2p/\(other)", "dnsaddr=/ip4/10.0.0.1/tcp/1",
                    "dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/\(other)/p2p-circuit/p2p/\(peer)", "dnsaddr=/ip4/127.0.0.1/tcp/1/p2p/\(peer)",
                    "dnsaddr=/ip4/0.0.0.0/tcp/1/p2p/\(peer)", "dnsaddr=/ip4/224.0.0.1/udp/1/p2p/\(peer)",
                    "dnsaddr=/ip6zone/eth7/ip6/fe80::1/tcp/1/p2p/\(peer)", "dnsaddr=/p2p/\(peer)",
                    "dnsaddr=/dnsaddr/example.org/p2p/\(peer)",
                    "dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/\(peer)", "dnsaddr=/ip4/10.0.0.2/tcp/1/p2p/\(other)",
                    "dnsaddr=/ip6/fe80::2/tcp/2/p2p/\(peer)", "dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/\(peer)",
                ], of: service), from: self.stranger, to: 0)
        #expect(network.nodes[0].found.map(\.peer) == [peer])
        #expect(network.nodes[0].found.first?.addresses.map(\.description) == ["/ip4/10.0.0.1/tcp/1", "/ip6zone/eth0/ip6/fe80::2/tcp/2"])
    }

    @Test("A stranger on the link leads us to no service of our machine, nor into a network that the link is not part of")
    func steering() throws {
        var (network, service) = try self.node()
        let peer = try Network.peer()
        let tun = MDNSLink(
            id: MDNSLink.ID(interface: 9, isIPv6: false), name: "tun0", isLoopback: false,
            prefixes: [MDNSLink.Prefix(address: try #require(IPAddress("10.8.0.2")), length: 24)])
        let six = MDNSLink(
            id: MDNSLink.ID(interface: 2, isIPv6: true), name: "eth0", isLoopback: false,
            prefixes: [MDNSLink.Prefix(address: try #require(IPAddress("fd00:1:2:3::7")), length: 64)])
        network.nodes[0].machine.setLinks([Network.link(network.nodes[0].ip), six, tun], at: network.now)
        let told = [
            "/ip4/10.0.0.9/tcp/1", "/ip6/fd00:1:2:3::9/tcp/1", "/ip4/8.8.8.8/tcp/1", "/dns4/example.org/tcp/1", "/ip4/10.8.0.1/tcp/1",
            "/ip4/192.168.1.1/tcp/1", "/ip6/fd00:1:2:4::9/tcp/1", "/unix/run/docker.sock", "/memory/x", "/dns4/localhost/tcp/1",
            "/ip6/::ffff:127.0.0.1/tcp/1", "/ip4/0.0.0.1/tcp/1", "/ip4/255.255.255.255/udp/1", "/ip4/169.254.169.254/tcp/80",
            "/ip4/192.0.2.1/tcp/1", "/ip6/64:ff9b::7f00:1/tcp/1",
        ]
        network.inject(
            try self.announcement(
                "x", told.map { $0.hasPrefix("/unix") ? "dnsaddr=/p2p/\(peer)\($0)" : "dnsaddr=\($0)/p2p/\(peer)" }, of: service),
            from: self.stranger, to: 0)
        #expect(network.nodes[0].found.first?.addresses.map(\.description) == Array(told.prefix(4)))
    }

    @Test(
        "A query from a port that belongs to a service is met with silence, one from a port that the system gives with an answer",
        arguments: [
            (0, false), (7, false), (19, false), (53, false), (123, false), (161, false), (389, false), (999, false), (1_023, false),
            (1_900, false), (3_702, false), (5_355, false), (11_211, false), (1_024, true), (5_353, true), (5_354, true), (32_768, true),
            (49_152, true), (65_535, true),
        ] as [(UInt16, Bool)])
    func askers(_ port: UInt16, _ isAnswered: Bool) throws {
        var (network, service) = try self.node()
        try network.run(for: .minutes(2))
        var query = DNSMessage(isResponse: false)
        query.questions = [DNSQuestion(service.name, .ptr), DNSQuestion(service.instance, .txt, wantsUnicast: true)]
        network.nodes[0].sent = []
        network.inject(try query.encoded(), from: MDNSSource(ip: Network.ip(9), port: port), to: 0)
        try network.run(for: .seconds(2))
        #expect(network.nodes[0].sent.contains { $0.message.isResponse } == isAnswered)
        #expect(network.nodes[0].refusals.isEmpty == isAnswered)
    }

    @Test("Our own announcement, from whomever, is not a peer; nor does anybody take us away")
    func ownPackets() throws {
        var (network, service) = try self.node()
        try network.run(for: .seconds(3))
        let instance = try #require(service.instance.labels.first)
        let packet = try self.announcement(
            String(decoding: instance, as: UTF8.self), ["dnsaddr=/ip4/10.0.0.9/tcp/1/p2p/\(Network.peer())"], of: service)
        network.inject(packet, from: self.stranger, to: 0)
        for goodbye in network.nodes[0].machine.goodbyes() { network.inject(goodbye.bytes, from: self.stranger, to: 0) }
        #expect(network.nodes[0].found == [])
        let other = try network.add(try Network.peer())
        try network.run(for: .seconds(1))
        #expect(network.nodes[other].found.count == 1)
    }

    @Test("An endless time to live ends all the same")
    func endlessTime() throws {
        var (network, service) = try self.node()
        network.inject(
            try self.announcement("x", ["dnsaddr=/ip4/10.0.0.9/tcp/1/p2p/\(Network.peer())"], of: service, timeToLive: .max),
            from: self.stranger, to: 0)
        #expect(network.nodes[0].found.first?.timeToLive == .seconds(4_500))
        try network.run(for: .hours(2))
        #expect(network.nodes[0].machine.peerCount == 0)
    }

    @Test("Loopback addresses are announced on the loopback interface only, relays' and unspecified ones nowhere")
    func announced() throws {
        let peer = try Network.peer()
        let addresses = try [
            "/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/1.2.3.4/tcp/1/p2p/\(peer)/p2p-circuit", "/ip4/0.0.0.0/tcp/1",
            "/dns4/example.com/tcp/1", "/ip6/::1/udp/1/quic-v1", "/ip4/10.0.0.1/tcp/1",
        ].map { try Multiaddr($0) }
        let near = MDNSService.announced(addresses, on: Network.link(.loopbackV4, interface: 1, isLoopback: true))
        #expect(near.map(\.description) == ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip6/::1/udp/1/quic-v1"])
        #expect(MDNSService.announced(addresses, on: Network.link(Network.ip(1))).map(\.description) == ["/ip4/10.0.0.1/tcp/1"])
        let more = try [
            "/ip4/10.0.0.1/tcp/1", "/ip4/10.8.0.2/tcp/1", "/ip4/192.168.1.7/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip6zone/eth0/ip6/fe80::1/tcp/1",
            "/ip6zone/eth1/ip6/fe80::2/tcp/1", "/ip6zone/eth0/ip6/2a00:1::1/tcp/1",
        ].map { try Multiaddr($0) }
        #expect(
            MDNSService.announced(more, on: Network.link(Network.ip(1))).map(\.description) == [
                "/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip6/fe80::1/tcp/1", "/ip6/2a00:1::1/tcp/1",
            ])
        let many = (1...50).map { Multiaddr(ip: Network.ip(1), tcp: $0) }
        #expect(MDNSService.announced(many, on: Network.link(Network.ip(1))).count == MDNSService.addressLimit)
    }

    @Test("Long addresses are left out rather than cut, and a packet fits into a frame")
    func longAddresses() throws {
        var network = Network()
        let hash = "uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ"
        let long = try (1...8).map { try Multiaddr("/ip4/10.0.0.1/udp/\($0)/quic-v1/webtransport/certhash/\(hash)/certhash/\(hash)") }
        _ = try network.add(try Network.peer(), addresses: long)
        let other = try network.add(try Network.peer())
        try network.run(for: .seconds(3))
        #expect(network.nodes[0].sent.allSatisfy { ((try? $0.message.encoded().count) ?? 0) <= MDNSMachine.packetSize })
        #expect((1...8).contains(try #require(network.nodes[other].found.first).addresses.count))
    }

    @Test("Prefixes hold what is in them, to the bit")
    func prefixes() {
        let prefix = MDNSLink.Prefix(address: IPAddress(v4: 0x0a01_0280), length: 25)
        #expect(prefix.contains(IPAddress(v4: 0x0a01_02ff)))
        #expect(!prefix.contains(IPAddress(v4: 0x0a01_027f)))
        #expect(!prefix.contains(.loopbackV6))
        #expect(MDNSLink.Prefix(address: .loopbackV4, length: 0).contains(IPAddress(v4: .max)))
        #expect(!MDNSLink.Prefix(address: .loopbackV6, length: 128).contains(IPAddress(v6: 0, 2)))
    }
}
