import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PMDNS

@Suite("Local discovery without a network")
struct MDNSMachineTests {
    @Test("Nodes find one another within a second, and none finds itself")
    func findEachOther() throws {
        var network = Network()
        let peers = try (0..<5).map { _ in try Network.peer() }
        for peer in peers { _ = try network.add(peer) }
        try network.run(for: .seconds(1))
        for (index, node) in network.nodes.enumerated() {
            #expect(Set(node.found.map(\.peer)) == Set(peers).subtracting([peers[index]]))
            #expect(node.found.allSatisfy { $0.addresses.count == 1 && $0.timeToLive == .seconds(120) })
        }
    }

    @Test("One that comes late, and one that only listens, learn of the others; nobody learns of the listener")
    func lateAndSilent() throws {
        var network = Network()
        let (early, late) = (try Network.peer(), try Network.peer())
        _ = try network.add(early)
        try network.run(for: .minutes(10))
        let listener = try network.add(nil)
        try network.run(for: .seconds(1))
        #expect(network.nodes[listener].found.map(\.peer) == [early])
        #expect(network.nodes[0].found == [])
        let second = try network.add(late)
        try network.run(for: .seconds(1))
        #expect(network.nodes[second].found.map(\.peer) == [early])
        #expect(network.nodes[0].found.map(\.peer) == [late])
        #expect(network.nodes[listener].found.map(\.peer) == [early, late])
    }

    @Test("A link whose socket was another announces itself at once, and those who were known stay so")
    func interrupted() throws {
        var network = Network()
        for _ in 0..<2 { _ = try network.add(try Network.peer()) }
        try network.run(for: .minutes(2))
        let link = Network.link(network.nodes[0].ip)
        network.nodes[0].machine.interrupted(link.id)
        let (sent, known) = (network.nodes[0].sent.count, network.nodes[0].found.count)
        try network.run(for: .seconds(1))
        #expect(network.nodes[0].sent.count == sent && network.nodes[0].machine.peerCount == 1)
        network.nodes[0].machine.setLinks([link], at: network.now)
        try network.run(for: .milliseconds(200))
        let since = network.nodes[0].sent.dropFirst(sent).map(\.message)
        #expect(since.contains { $0.isResponse } && since.contains { !$0.isResponse })
        #expect(network.nodes[0].found.count == known)
    }

    @Test("While nothing happens, a node sends a few packets a minute, and its peers stay known")
    func idle() throws {
        var network = Network()
        for _ in 0..<4 { _ = try network.add(try Network.peer()) }
        try network.run(for: .minutes(1))
        #expect(network.nodes.allSatisfy { $0.sent.count <= 20 })
        for _ in 0..<10 {
            let before = network.nodes.map(\.sent.count)
            try network.run(for: .minutes(1))
            for (node, count) in zip(network.nodes, before) { #expect(node.sent.count - count <= 6) }
        }
        #expect(network.nodes.allSatisfy { $0.machine.peerCount == 3 })
        // About once a minute each, so that whoever stores addresses can prolong them.
        #expect(network.nodes[0].found.count >= 3 * 9)
    }

    @Test("A query that lists us as known gets no answer, one that doesn't gets one")
    func knownAnswers() throws {
        var network = Network()
        let node = try network.add(try Network.peer())
        try network.run(for: .minutes(2))
        let service = network.nodes[node].machine.service
        let asker = MDNSSource(ip: Network.ip(9), port: 5_353)
        var query = DNSMessage(isResponse: false)
        query.questions = [DNSQuestion(service.name, .ptr)]
        func answers() -> Int { network.nodes[node].sent.count { $0.message.isResponse } }
        let before = answers()
        query.answers = [DNSRecord(service.name, timeToLive: 60, .pointer(service.instance))]
        network.inject(try query.encoded(), from: asker, to: node)
        try network.run(for: .seconds(2))
        #expect(answers() == before)
        query.answers[0].timeToLive = 59
        network.inject(try query.encoded(), from: asker, to: node)
        try network.run(for: .seconds(2))
        #expect(answers() == before + 1)
    }

    @Test("A truncated query is answered late, and not at all when the rest of it knows us")
    func truncatedQuery() throws {
        var network = Network()
        let node = try network.add(try Network.peer())
        try network.run(for: .minutes(2))
        let service = network.nodes[node].machine.service
        let asker = MDNSSource(ip: Network.ip(9), port: 5_353)
        var query = DNSMessage(isResponse: false)
        query.isTruncated = true
        query.questions = [DNSQuestion(service.name, .ptr)]
        var rest = DNSMessage(isResponse: false)
        rest.answers = [DNSRecord(service.name, timeToLive: 100, .pointer(service.instance))]
        let before = network.nodes[node].sent.count { $0.message.isResponse }
        network.inject(try query.encoded(), from: asker, to: node)
        try network.run(for: .milliseconds(300))
        network.inject(try rest.encoded(), from: asker, to: node)
        try network.run(for: .seconds(2))
        #expect(network.nodes[node].sent.count { $0.message.isResponse } == before)
        network.inject(try query.encoded(), from: asker, to: node)
        try network.run(for: .milliseconds(300))
        #expect(network.nodes[node].sent.count { $0.message.isResponse } == before)
        try network.run(for: .milliseconds(300))
        #expect(network.nodes[node].sent.count { $0.message.isResponse } == before + 1)
    }

    @Test("Each of our names is answered for, also the list of services, and nobody else's")
    func questions() throws {
        var network = Network()
        let node = try network.add(try Network.peer())
        try network.run(for: .minutes(2))
        let instance = network.nodes[node].machine.service.instance
        let host = try DNSName(labels: [Array(try #require(instance.labels.first)), Array("local".utf8)])
        let asker = MDNSSource(ip: Network.ip(9), port: 5_353)
        func ask(_ question: DNSQuestion) throws -> DNSMessage? {
            var query = DNSMessage(isResponse: false)
            query.questions = [question]
            network.nodes[node].sent = []
            network.inject(try query.encoded(), from: asker, to: node)
            try network.run(for: .seconds(2))
            return network.nodes[node].sent.first { $0.message.isResponse }?.message
        }
        let meta = try #require(try ask(DNSQuestion(try DNSName("_services._dns-sd._udp.local"), .ptr)))
        #expect(meta.answers.map(\.content) == [.pointer(try DNSName("_p2p._udp.local"))])
        let list = try #require(try ask(DNSQuestion(try DNSName("_P2P._udp.local"), .any)))
        #expect(list.answers.map(\.content) == [.pointer(instance)])
        #expect(Set(list.additionals.map(\.type)) == [.txt, .srv, .a])
        let text = try #require(try ask(DNSQuestion(instance, .txt)))
        #expect(text.answers.map(\.type) == [.srv, .txt])
        let address = try #require(try ask(DNSQuestion(host, .a)))
        #expect(address.answers.map(\.content) == [.address(network.nodes[node].ip)])
        for (name, type) in [("_ipp._tcp.local", DNSType.ptr), ("_p2p._udp.local", .txt), ("other.local", .a)] {
            #expect(try ask(DNSQuestion(try DNSName(name), type)) == nil)
        }
        #expect(try ask(DNSQuestion(try DNSName("_p2p._udp.local"), .ptr, class: DNSClass(rawValue: 3))) == nil)
    }

    @Test("Who asks for unicast gets it once the others have heard us lately; a plain DNS client always, its question repeated")
    func unicast() throws {
        var network = Network()
        let node = try network.add(try Network.peer())
        try network.run(for: .seconds(5))
        let service = network.nodes[node].machine.service
        func ask(from port: UInt16) throws -> (at: NIODeadline, message: DNSMessage, destination: MDNSSource?)? {
            var query = DNSMessage(isResponse: false)
            query.id = 77
            query.questions = [DNSQuestion(service.name, .ptr, wantsUnicast: port == 5_353)]
            network.nodes[node].sent = []
            network.inject(try query.encoded(), from: MDNSSource(ip: Network.ip(9), port: port), to: node)
            try network.run(for: .seconds(1))
            return network.nodes[node].sent.first { $0.message.isResponse }
        }
        let direct = try #require(try ask(from: 5_353))
        #expect(direct.destination == MDNSSource(ip: Network.ip(9), port: 5_353))
        #expect(direct.message.id == 0)
        let plain = try #require(try ask(from: 40_000))
        #expect(plain.destination == MDNSSource(ip: Network.ip(9), port: 40_000))
        #expect(plain.message.id == 77)
        #expect(plain.message.questions.count == 1)
        #expect((plain.message.answers + plain.message.additionals).allSatisfy { $0.timeToLive == 10 && !$0.flushesCache })
        try network.run(for: .minutes(2))
        #expect(try #require(try ask(from: 5_353)).destination == nil)
    }

    @Test("A goodbye is believed at once; a peer that falls silent is forgotten when its time is up")
    func endings() throws {
        var network = Network()
        let first = try network.add(try Network.peer())
        let second = try network.add(try Network.peer())
        try network.run(for: .seconds(3))
        #expect(network.nodes[first].machine.peerCount == 1)
        for packet in network.nodes[second].machine.goodbyes() {
            network.inject(packet.bytes, from: MDNSSource(ip: network.nodes[second].ip, port: 5_353), to: first)
        }
        #expect(network.nodes[first].machine.peerCount == 0)
        try network.run(for: .minutes(2))
        #expect(network.nodes[first].machine.peerCount == 1)
        network.isUp = false
        try network.run(for: .minutes(5))
        #expect(network.nodes[first].machine.peerCount == 0)
    }

    @Test("New addresses are announced at once, and none any more is a goodbye")
    func addressChanges() throws {
        var network = Network()
        let first = try network.add(try Network.peer())
        let second = try network.add(try Network.peer())
        try network.run(for: .seconds(3))
        let moved = Multiaddr(ip: Network.ip(77), tcp: 9)
        network.nodes[second].machine.setAddresses([moved], at: network.now)
        try network.run(for: .seconds(1))
        #expect(network.nodes[first].found.last?.addresses == [moved])
        network.nodes[second].machine.setAddresses([], at: network.now)
        try network.run(for: .seconds(1))
        #expect(network.nodes[first].machine.peerCount == 0)
    }

    @Test("A link that comes back starts anew: both sides find each other again within a second")
    func linkComesBack() throws {
        var network = Network()
        let first = try network.add(try Network.peer())
        let second = try network.add(try Network.peer())
        try network.run(for: .minutes(10))
        network.nodes[first].machine.setLinks([], at: network.now)
        #expect(network.nodes[first].machine.peerCount == 0)
        try network.run(for: .minutes(10))
        #expect(network.nodes[second].machine.peerCount == 0)
        network.nodes[first].found = []
        network.nodes[second].found = []
        network.nodes[first].machine.setLinks([Network.link(network.nodes[first].ip)], at: network.now)
        try network.run(for: .seconds(1))
        #expect(network.nodes[first].found.count == 1)
        #expect(network.nodes[second].found.count == 1)
    }

    @Test("An instance that is named without details is asked for them")
    func details() throws {
        var network = Network()
        let node = try network.add(try Network.peer())
        try network.run(for: .minutes(2))
        let service = network.nodes[node].machine.service
        let instance = try DNSName(labels: [Array("someone".utf8)] + service.name.labels.map { Array($0) })
        var message = DNSMessage(isResponse: true)
        message.answers = [DNSRecord(service.name, timeToLive: 100, .pointer(instance))]
        network.nodes[node].sent = []
        network.inject(try message.encoded(), from: MDNSSource(ip: Network.ip(9), port: 5_353), to: node)
        try network.run(for: .seconds(10))
        let asked = network.nodes[node].sent.filter { $0.message.questions.contains(DNSQuestion(instance, .txt)) }
        #expect(asked.count == MDNSLinkState.attempts)
    }

    @Test("Several peers in one packet are several peers")
    func severalPeers() throws {
        var network = Network()
        let node = try network.add(try Network.peer())
        let service = network.nodes[node].machine.service
        let peers = try (0..<5).map { _ in try Network.peer() }
        var message = DNSMessage(isResponse: true)
        for (index, peer) in peers.enumerated() {
            let instance = try DNSName(labels: [Array("peer\(index)".utf8)] + service.name.labels.map { Array($0) })
            message.answers.append(DNSRecord(service.name, timeToLive: 100, .pointer(instance)))
            message.additionals.append(
                DNSRecord(instance, timeToLive: 100, .text([Array("dnsaddr=/ip4/10.0.0.\(index)/tcp/1/p2p/\(peer)".utf8)])))
        }
        network.inject(try message.encoded(), from: MDNSSource(ip: Network.ip(9), port: 5_353), to: node)
        #expect(network.nodes[node].found.map(\.peer) == peers)
    }

    @Test("A private network is another service")
    func privateNetwork() throws {
        var network = Network()
        let (a, b, c) = (
            try network.add(try Network.peer(), service: "_p2p-abc"), try network.add(try Network.peer()),
            try network.add(try Network.peer(), service: "_p2p-abc")
        )
        try network.run(for: .seconds(5))
        #expect(network.nodes[a].found.count == 1)
        #expect(network.nodes[b].found == [])
        #expect(network.nodes[c].found.count == 1)
    }
}
