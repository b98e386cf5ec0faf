import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtobuf
import P2PProtocolTesting
import P2PTesting
import Synchronization
import Testing

@testable import P2PKademlia

/// What a server answers, and what it refuses; the peer on the other side is on this machine, unless a test says otherwise.
@Suite("A server of the table")
struct ServingTests {
    private let node: KademliaNode
    private let connection: PeerConnection
    private let requester: PeerID

    init() throws {
        (self.node, self.connection) = try Self.make()
        self.requester = self.connection.remotePeer
    }

    private static func make(_ configure: (inout KademliaConfiguration) -> Void = { _ in }) throws -> (KademliaNode, PeerConnection) {
        var configuration = KademliaConfiguration("/test/kad/1.0.0", mode: .server, namespaces: .publicNetwork)
        configuration.namespaces["any"] = AnyValueValidator()
        configure(&configuration)
        let connection = try ConnectionInfo.sample(local: Fixture.key(1), remote: Fixture.key(2))
        let host = try LoopbackPeer(on: connection) { $0.reset() }
        let node = KademliaNode(
            configuration, ownPeer: connection.localPeer, host: host, networks: { LocalNetworks() }, logger: host.logger)
        node.setServer(true)
        return (node, host.peerConnection)
    }

    private func fill(_ count: Int) throws {
        for number in 0..<count {
            self.node.offer(try Fixture.peer(number: number), at: [try Multiaddr("/ip4/127.0.0.1/tcp/\(number + 1)")])
        }
    }

    private func answer(_ request: KademliaMessage) async throws -> KademliaMessage? {
        try await self.node.answer(request, on: self.connection)
    }

    private func refusal(_ request: KademliaMessage) async -> StreamError.Code? {
        do {
            _ = try await self.node.answer(request, on: self.connection)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("The k nearest servers are named, whatever the key is, but not the one who asks")
    func findNode() async throws {
        try self.fill(60)
        self.node.offer(self.requester, at: [try Multiaddr("/ip4/127.0.0.1/tcp/999")])
        for key in [[1, 2, 3], Array("/ipns/x".utf8), [UInt8](repeating: 7, count: 1_024)] as [[UInt8]] {
            let answer = try #require(try await self.answer(KademliaMessage(.findNode, key: key)))
            #expect(answer.kind == .findNode && answer.key.isEmpty)
            #expect(answer.closer.count == 20)
            #expect(!answer.closer.contains { $0.peer == self.requester })
            let target = KademliaPoint(ofKey: key)
            let distances = answer.closer.map { KademliaPoint(of: $0.peer).distance(to: target) }
            #expect(distances == distances.sorted())
        }
        #expect(await self.refusal(KademliaMessage(.findNode)) == .malformed)
    }

    @Test("Asked for itself it says where it is")
    func itself() async throws {
        let own = try Fixture.peer(1)
        let answer = try #require(try await self.answer(KademliaMessage(.findNode, key: own.bytes)))
        #expect(answer.closer == [KademliaContact(own, at: [try Multiaddr("/ip4/127.0.0.1/tcp/1")])])
    }

    @Test("A ping is answered")
    func ping() async throws {
        #expect(try await self.answer(KademliaMessage(.ping))?.kind == .ping)
    }

    @Test("A value is stored, repeated in the answer with a time, and given out")
    func values() async throws {
        let key = IPNSRecord.key(of: try Fixture.peer(1))
        let value = try Fixture.hex(Fixture.ipnsV2)
        var put = KademliaMessage(.putValue, key: key)
        put.record = KademliaRecord(key: key, value: value)
        put.record?.publisher = [1, 2]
        put.record?.secondsLeft = 60
        let answer = try #require(try await self.answer(put))
        #expect(answer.kind == .putValue && answer.key == key && answer.record?.value == value)
        #expect(answer.record?.publisher == [1, 2] && answer.record?.secondsLeft == 60)
        #expect(answer.record?.timeReceived?.hasSuffix("Z") == true)
        let got = try #require(try await self.answer(KademliaMessage(.getValue, key: key)))
        #expect(got.record?.value == value && got.key == key)
        #expect(try await self.answer(KademliaMessage(.getValue, key: [9]))?.record == nil)
    }

    @Test("What is no better value is refused, and the better one stays")
    func poison() async throws {
        func put(_ key: [UInt8], _ value: [UInt8], under other: [UInt8]? = nil) -> KademliaMessage {
            var message = KademliaMessage(.putValue, key: key)
            message.record = KademliaRecord(key: other ?? key, value: value)
            return message
        }
        let key = IPNSRecord.key(of: try Fixture.peer(1))
        let (old, new) = (try Fixture.hex(Fixture.ipnsV2), try Fixture.hex(Fixture.ipnsV1V2))
        #expect(await self.refusal(put(key, old)) == nil)
        #expect(await self.refusal(put(key, new)) == nil)
        #expect(await self.refusal(put(key, old)) == .malformed)
        #expect(await self.refusal(put(key, new, under: [1])) == .malformed)
        #expect(await self.refusal(KademliaMessage(.putValue, key: key)) == .malformed)
        #expect(await self.refusal(put(IPNSRecord.key(of: try Fixture.peer(2)), new)) == .malformed)
        #expect(await self.refusal(put(Array("/text/x".utf8), [1])) == .malformed)
        #expect(await self.refusal(put(key, new + [UInt8](repeating: 0, count: 10_241))) == .malformed)
        let expired = try await IPNSRecord.sign("/ipfs/x", sequence: 9, validUntil: 1_000, with: Fixture.key(1))
        #expect(await self.refusal(put(key, expired)) == .malformed)
        #expect(try await self.answer(KademliaMessage(.getValue, key: key))?.record?.value == new)
        // The same one again is welcome.
        #expect(await self.refusal(put(key, new)) == nil)
    }

    @Test("A value that is valid no more keeps no other out, however good it was, and this node goes by it no more")
    func expired() async throws {
        final class Clocked: RecordValidator {
            let isOver = Mutex(false)
            func validate(_ value: [UInt8], for key: [UInt8], at now: Int64) throws(KademliaError) {
                if value == [9], self.isOver.withLock({ $0 }) { throw KademliaError(.invalidValue, "it is over") }
            }
            func prefers(_ value: [UInt8], to other: [UInt8], for key: [UInt8]) -> Bool { other.lexicographicallyPrecedes(value) }
        }
        let (validator, key) = (Clocked(), Array("/aged/x".utf8))
        let (node, connection) = try Self.make { $0.namespaces["aged"] = validator }
        func put(_ value: [UInt8]) async throws {
            var message = KademliaMessage(.putValue, key: key)
            message.record = KademliaRecord(key: key, value: value)
            _ = try await node.answer(message, on: connection)
        }
        try await put([9])
        await #expect(throws: StreamError.self) { try await put([1]) }
        #expect(node.localValue(for: key, validator) == [9])
        validator.isOver.withLock { $0 = true }
        #expect(node.localValue(for: key, validator) == nil)
        try await put([1])
        #expect(node.localValue(for: key, validator) == [1])
    }

    @Test("A peer is kept as a provider of what it says that it has, at addresses that are believed of it")
    func providers() async throws {
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/77")
        var add = KademliaMessage(.addProvider, key: [1, 2, 3])
        add.providers = [KademliaContact(self.requester, at: [try Multiaddr("/ip4/10.1.1.1/tcp/1"), address])]
        #expect(try await self.answer(add) == nil)
        let got = try #require(try await self.answer(KademliaMessage(.getProviders, key: [1, 2, 3])))
        #expect(got.providers == [KademliaContact(self.requester, at: [address])] && got.key == [1, 2, 3])
        // Others, and peers that are nowhere, are not heard.
        add.key = [4]
        add.providers = [KademliaContact(try Fixture.peer(9), at: [address])]
        #expect(try await self.answer(add) == nil)
        add.providers = [KademliaContact(self.requester)]
        #expect(try await self.answer(add) == nil)
        #expect(try await self.answer(KademliaMessage(.getProviders, key: [4]))?.providers.isEmpty == true)
        #expect(await self.refusal(KademliaMessage(.addProvider)) == .malformed)
        #expect(await self.refusal(KademliaMessage(.addProvider, key: [UInt8](repeating: 1, count: 81))) == .malformed)
        #expect(await self.refusal(KademliaMessage(.getProviders, key: [UInt8](repeating: 1, count: 81))) == .malformed)
        #expect(await self.refusal(KademliaMessage(.getProviders, key: [UInt8](repeating: 1, count: 80))) == nil)
    }

    @Test("On one stream requests are answered in their order, and an announcement is not answered at all")
    func pipelining() async throws {
        try self.fill(3)
        let peer = LoopbackPeer(KademliaProtocol(self.node), on: self.connection.info)
        let stream = try await peer.openStream(to: self.requester, protocols: ["/test/kad/1.0.0"])
        for _ in 0..<3 { try await stream.writeMessage(KademliaMessage(.ping).encoded()) }
        var add = KademliaMessage(.addProvider, key: [1])
        add.providers = [KademliaContact(self.requester, at: [try Multiaddr("/ip4/127.0.0.1/tcp/5")])]
        try await stream.writeMessage(add.encoded())
        try await stream.writeMessage(KademliaMessage(.getProviders, key: [1]).encoded())
        try await stream.finish()
        var kinds: [KademliaMessage.Kind] = []
        while let bytes = try await stream.readMessage(upTo: 100_000) { kinds.append(try KademliaMessage(reading: bytes).kind) }
        #expect(kinds == [.ping, .ping, .ping, .getProviders])
        #expect(self.node.statistics.answered == 5)
    }

    @Test("While as many streams are answered as there may be, another one is refused, and taken again when one has ended")
    func streamsInAll() async throws {
        let peer = LoopbackPeer(KademliaProtocol(self.node), on: self.connection.info)
        func isAnswered() async -> Bool {
            do {
                let stream = try await peer.openStream(to: self.requester, protocols: ["/test/kad/1.0.0"])
                try await stream.writeMessage(KademliaMessage(.ping).encoded())
                return try await stream.readMessage(upTo: 100) != nil
            } catch {
                return false
            }
        }
        self.node.inbound.store(KademliaLimits.inboundStreams, ordering: .relaxed)
        #expect(await !isAnswered())
        #expect(self.node.inbound.load(ordering: .relaxed) == KademliaLimits.inboundStreams)
        self.node.inbound.store(KademliaLimits.inboundStreams - 1, ordering: .relaxed)
        #expect(await isAnswered())
    }

    @Test(
        "Garbage, an unknown type and a message beyond the limit end the stream",
        arguments: [
            [3, 0xff, 0xff, 0xff], [2, 0x08, 6], [0x81, 0x80, 0x80, 0x02], [2, 0x08, 4],
        ] as [[UInt8]])
    func garbage(bytes: [UInt8]) async throws {
        let peer = LoopbackPeer(KademliaProtocol(self.node), on: self.connection.info)
        let stream = try await peer.openStream(to: self.requester, protocols: ["/test/kad/1.0.0"])
        try await stream.write(bytes: bytes)
        #expect(await errorCode { _ = try await stream.readMessage(upTo: 100) } == .reset)
    }

    @Test("Of a group that names more than three in one answer, nobody is believed")
    func answersOfOne() throws {
        let (node, connection) = try Self.make { $0.diversity = .publicNetwork }
        func contacts(_ count: Int, _ prefix: String, from first: Int) throws -> [KademliaContact] {
            try (0..<count).map { KademliaContact(try Fixture.peer(number: first + $0), at: [try Multiaddr("\(prefix).\($0 + 1)/tcp/1")]) }
        }
        let named = try contacts(4, "/ip4/45.33.1", from: 0) + contacts(3, "/ip4/45.34.1", from: 10)
        let believed = node.believed(named, toldAt: Meeting(connection.info), judge: node.judge)
        #expect(believed.map(\.peer) == named.suffix(3).map(\.peer))
    }

    @Test("Addresses of this machine and of its networks are not believed from elsewhere, nor told there")
    func reach() throws {
        let remote = Meeting(remote: try Multiaddr("/ip4/45.33.1.1/tcp/1"), local: try Multiaddr("/ip4/45.99.1.1/tcp/1"))
        let addresses = try ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/45.34.1.1/tcp/1"].map { try Multiaddr($0) }
        let contact = KademliaContact(try Fixture.peer(3), at: addresses)
        let believed = self.node.believed(
            [contact, KademliaContact(try Fixture.peer(1), at: addresses)], toldAt: remote, judge: self.node.judge)
        #expect(believed.map { $0.addresses.map(\.address) } == [[addresses[2]]])
        #expect(self.node.told(contact, at: remote, judge: self.node.judge).addresses == [addresses[2]])
        #expect(self.node.told(contact, at: Meeting(self.connection.info), judge: self.node.judge).addresses.contains(addresses[0]))
    }

    @Test("An address of 512 bytes is kept and one of 513 is not, so that those of one peer take up 8 KiB")
    func longAddresses() throws {
        func address(_ number: Int, length: Int) throws -> Multiaddr {
            let start = "/ip4/127.0.0.1/tcp/\(number + 1)/http-path/"
            let fill = length - (try Multiaddr(start + String(repeating: "a", count: 200)).bytes.count) + 200
            return try Multiaddr(start + String(repeating: "a", count: fill))
        }
        let long = try (0..<4).map { try address($0, length: 513) }
        let fitting = try (4..<30).map { try address($0, length: 512) }
        #expect(long.allSatisfy { $0.bytes.count == 513 } && fitting.allSatisfy { $0.bytes.count == 512 })
        var peer = ProtobufWriter()
        peer.write(1, bytes: try Fixture.peer(3).bytes)
        for address in long + fitting { peer.write(2, bytes: address.bytes) }
        var answer = ProtobufWriter()
        answer.write(1, varint: 4)
        answer.write(8, message: peer.buffer)
        let named = try KademliaMessage(reading: answer.buffer).closer
        #expect(named.map(\.addresses) == [Array(fitting.prefix(16))])
        let believed = self.node.believed(named, toldAt: Meeting(self.connection.info), judge: self.node.judge)
        #expect(believed.flatMap(\.addresses).reduce(0) { $0 + $1.address.bytes.count } == 8_192)
        // Nor where a peer says itself that it is.
        let four = try Fixture.peer(4)
        self.node.offer(four, at: (long + fitting).filter(self.node.configuration.addresses.admits))
        #expect(self.node.state.withLock { $0.table.contact(four) }?.addresses == Array(fitting.prefix(8)))
    }

    @Test("However many say that they have something, of this node's own keys it tells itself as well")
    func ownKey() async throws {
        let key: [UInt8] = [7, 7]
        try await self.node.configuration.keystore.add([key])
        let now = self.node.clock.now()
        for number in 0..<1_000 {
            let peer = try Fixture.peer(number: number)
            self.node.change { _ = $0.providers.add(peer, at: [Multiaddr("/ip4/127.0.0.1/tcp/1")], for: key, now: now) }
        }
        let told = try #require(try await self.answer(KademliaMessage(.getProviders, key: key))).providers.map(\.peer)
        #expect(told.count == KademliaLimits.providersPerKey + 1 && told.contains(self.node.ownPeer))
    }
}
