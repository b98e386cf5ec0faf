import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtocolTesting
import P2PTesting
import Synchronization
import Testing

@testable import P2PKademlia

/// What a server may do to a client.
@Suite("Asking a hostile server")
struct AskingTests {
    private func node(
        _ timeout: Duration = .seconds(10), _ body: @escaping @Sendable (PeerStream) async throws -> Void
    ) throws -> (KademliaNode, Lookup.Contact) {
        let (node, contact, _) = try self.nodeAndHost(timeout, body)
        return (node, contact)
    }

    private func nodeAndHost(
        _ timeout: Duration = .seconds(10), _ body: @escaping @Sendable (PeerStream) async throws -> Void
    ) throws -> (KademliaNode, Lookup.Contact, LoopbackPeer) {
        var configuration = KademliaConfiguration("/test/kad/1.0.0", mode: .client)
        configuration.requestTimeout = timeout
        let connection = try ConnectionInfo.sample(local: Fixture.key(1), remote: Fixture.key(2))
        let host = try LoopbackPeer(on: connection, body)
        let node = KademliaNode(
            configuration, ownPeer: connection.localPeer, host: host, networks: { LocalNetworks() }, logger: host.logger)
        return (node, Lookup.Contact(connection.remotePeer), host)
    }

    /// How many streams a peer that behaves so costs, of three requests that are all answered.
    private func streams(_ body: @escaping @Sendable (PeerStream) async throws -> Void) async throws -> Int {
        let (node, contact, host) = try self.nodeAndHost(.seconds(10), body)
        node.state.withLock { $0.kept = KeptStreams() }
        for number in 0..<3 {
            let key = [UInt8(number)]
            let reply = try await node.ask(contact, KademliaMessage(.getValue, key: key))
            #expect(reply.message.key == key)
        }
        let kept = node.state.withLock { state in
            defer { state.kept = nil }
            return state.kept
        }
        kept?.reset()
        return host.opened
    }

    @Test("One request after the other goes over one stream, unless the peer has done with it or has said more than it was asked")
    func keptStreams() async throws {
        @Sendable func answer(_ stream: PeerStream, times: Int = 1) async throws -> Bool {
            guard let bytes = try await stream.readMessage(upTo: 1_000) else { return false }
            let answer = KademliaMessage(.getValue, key: try KademliaMessage(reading: bytes).key).encoded()
            let message = [UInt8(answer.readableBytes)] + Array(answer.readableBytesView)
            try await stream.write(bytes: (0..<times).flatMap { _ in message })
            return true
        }
        #expect(try await self.streams { stream in while try await answer(stream) {} } == 1)
        // One that has finished, or reset the stream, after its answer.
        #expect(
            try await self.streams { stream in
                _ = try await answer(stream)
                try await stream.finish()
            } == 3)
        #expect(
            try await self.streams { stream in
                _ = try await answer(stream)
                _ = try await stream.readMessage(upTo: 1_000)
                stream.reset()
            } == 3, "each is used again, and given up for a new one")
        #expect(
            try await self.streams { stream in
                while try await answer(stream, times: 2) {}
            } == 3)
    }

    @Test("A value that is refused on a kept stream is not sent again on a new one")
    func refusedValue() async throws {
        let (node, contact, host) = try self.nodeAndHost(.seconds(10)) { stream in
            _ = try await stream.readMessage(upTo: 1_000)
            try await stream.writeMessage(KademliaMessage(.getValue, key: [1]).encoded())
            _ = try await stream.readMessage(upTo: 1_000)
            stream.reset()
        }
        node.state.withLock { $0.kept = KeptStreams() }
        _ = try await node.ask(contact, KademliaMessage(.getValue, key: [1]))
        await #expect(throws: StreamError.self) { _ = try await node.ask(contact, KademliaMessage(.putValue, key: [1])) }
        #expect(host.opened == 1)
    }

    @Test("One stream of a connection is kept, for a while, and no more than there may be")
    func keptFor() async throws {
        let host = try LoopbackPeer { stream in while try await stream.read() != nil {} }
        func stream() async throws -> PeerStream {
            try await host.openStream(to: host.peerConnection.remotePeer, protocols: ["/test/1.0.0"])
        }
        var kept = KeptStreams(limit: 2)
        let (one, two, three) = (ConnectionID(), ConnectionID(), ConnectionID())
        let (first, second) = (try await stream(), try await stream())
        let taken = [
            kept.keep(first, on: one, at: Fixture.start), kept.keep(second, on: two, at: Fixture.start.advanced(by: .seconds(1))),
            // There is one; there is no room.
            kept.keep(try await stream(), on: one, at: Fixture.start), kept.keep(try await stream(), on: three, at: Fixture.start),
        ]
        #expect(taken == [true, true, false, false])
        #expect(kept.end == Fixture.start.advanced(by: KeptStreams.lifetime))
        let end = Fixture.start.advanced(by: KeptStreams.lifetime)
        let late = kept.take(on: one, at: end)
        #expect(late == nil)
        let over = kept.takeOver(at: end)
        #expect(over.count == 1 && over.first === first)
        let left = (kept.take(on: one, at: end), kept.take(on: two, at: end))
        #expect(left.0 == nil && left.1 === second && kept.count == 0)
    }

    private func outcome(
        _ timeout: Duration = .seconds(10), _ body: @escaping @Sendable (PeerStream) async throws -> Void
    ) async throws -> StreamError.Code? {
        let (node, contact) = try self.node(timeout, body)
        do {
            _ = try await node.ask(contact, KademliaMessage(.getValue, key: [1]))
            return nil
        } catch {
            return error.code
        }
    }

    @Test("An answer of another type, about another key, or with the record of another is none")
    func wrongAnswers() async throws {
        func answer(_ message: KademliaMessage) async throws -> StreamError.Code? {
            try await self.outcome { stream in
                _ = try await stream.readMessage(upTo: 1_000)
                try await stream.writeMessage(message.encoded())
            }
        }
        #expect(try await answer(KademliaMessage(.getValue, key: [1])) == nil)
        #expect(try await answer(KademliaMessage(.getValue)) == nil)
        #expect(try await answer(KademliaMessage(.findNode)) == .malformed)
        #expect(try await answer(KademliaMessage(.getValue, key: [2])) == .malformed)
        var message = KademliaMessage(.getValue, key: [1])
        message.record = KademliaRecord(key: [2], value: [3])
        #expect(try await answer(message) == .malformed)
    }

    @Test("Silence, one byte after the other, an early end and too long an answer all end within the time")
    func slowAnswers() async throws {
        let short = Duration.milliseconds(200)
        #expect(
            try await self.outcome(short) { stream in
                // Until the client is gone, however late its clock is.
                while true {
                    _ = try await stream.read()
                    try await Task.sleep(for: .milliseconds(20))
                }
            } == .timedOut)
        #expect(
            try await self.outcome(short) { stream in
                // A mebibyte is never complete.
                try await stream.write(bytes: [0x80, 0x80, 0x40])
                while true {
                    try await Task.sleep(for: .milliseconds(20))
                    try await stream.write(bytes: [0x08])
                }
            } == .timedOut)
        #expect(try await self.outcome { stream in _ = try await stream.readMessage(upTo: 1_000) } == .unexpectedEnd)
        #expect(
            try await self.outcome { stream in
                _ = try await stream.readMessage(upTo: 1_000)
                try await stream.write(bytes: [0x81, 0x80, 0x80, 0x02])
                while try await stream.read() != nil {}
            } == .messageTooLarge)
    }

    @Test("Where others say that a peer is, nobody is told")
    func hearsay() async throws {
        let stranger = try Fixture.peer(9)
        let (node, contact) = try self.node { stream in
            while try await stream.readMessage(upTo: 1_000) != nil {
                var answer = KademliaMessage(.findNode)
                answer.closer = [KademliaContact(stranger, at: [Multiaddr("/ip4/127.0.0.1/tcp/666")])]
                try await stream.writeMessage(answer.encoded())
            }
        }
        let place = Multiaddr("/ip4/127.0.0.1/tcp/2")
        node.offer(contact.peer, at: [place])
        _ = try await node.closestPeers(to: [1], onEvent: { _ in })
        #expect(node.state.withLock { $0.table.contact(stranger)?.addresses } == [place])
    }

    @Test("When the host ends, look-ups of sequences that wait end, and later ones do not begin", .timeLimit(.minutes(1)))
    func ending() async throws {
        let (node, _) = try self.node { $0.reset() }
        let waiting = node.events(of: .closestPeers(to: [1]))
        let never = Signal()
        let work = Task {
            await never.wait()
            await node.work()
        }
        work.cancel()
        await work.value
        await #expect(throws: KademliaError(.notRunning, "")) { for try await _ in waiting {} }
        let later = node.events(of: .closestPeers(to: [1]))
        await #expect(throws: KademliaError(.notRunning, "")) { for try await _ in later {} }
    }

    @Test("An announcement is taken by whoever closes or says something, refused by whoever resets or says so")
    func announcing() async throws {
        func outcome(_ body: @escaping @Sendable (PeerStream) async throws -> Void) async throws -> StreamError.Code? {
            let (node, contact) = try self.node(.seconds(10), body)
            do {
                try await node.tellProvider(of: [[1]], to: contact)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(try await outcome { stream in _ = try await stream.readMessage(upTo: 1_000) } == nil)
        #expect(
            try await outcome { stream in
                _ = try await stream.readMessage(upTo: 1_000)
                try await stream.writeMessage(KademliaMessage(.addProvider, key: [1]).encoded())
            } == nil)
        #expect(
            try await outcome { stream in
                _ = try await stream.readMessage(upTo: 1_000)
                try await stream.writeMessage(bytes: [0x08, 2, 0x58, 1])
            } == .rateLimited)
        #expect(
            try await outcome { stream in
                _ = try await stream.readMessage(upTo: 1_000)
                stream.reset()
            } == .reset)
    }
}
