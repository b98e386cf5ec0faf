import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtobuf
import Synchronization

/// One request to one peer.
extension KademliaNode {
    /// How long an announcement's stream stays open for those who answer, as py does, which resets it at the half-close.
    private static let echoTime = Duration.milliseconds(300)

    /// What a peer has answered, and on which connection.
    struct Reply: Sendable {
        let message: KademliaMessage
        let connection: ConnectionInfo
    }

    /// Asks a peer, and checks that the answer is one to this request. All of it, the dial included, has ``KademliaConfiguration/requestTimeout``.
    func ask(_ contact: Lookup.Contact, _ request: KademliaMessage) async throws(StreamError) -> Reply {
        try await self.exchange(with: contact, "the request", onKept: true, isRepeatable: request.kind != .putValue) {
            (stream, connection) throws(StreamError) in
            try await stream.writeMessage(request.encoded())
            // Finished only then: py resets the stream at a half-close, and its answer may be lost.
            guard let bytes = try await stream.readMessage(upTo: KademliaLimits.answerSize) else {
                throw StreamError(.unexpectedEnd, "the peer finished without an answer")
            }
            let reply = Reply(message: try Self.check(bytes, request), connection: connection)
            if !self.keep(stream, on: connection.id) { try? await stream.finish() }
            return reply
        }
    }

    // MARK: Streams

    /// Keeps a stream for the next request on that connection.
    private func keep(_ stream: PeerStream, on connection: ConnectionID) -> Bool {
        let now = self.clock.now()
        guard self.state.withLock({ $0.kept?.keep(stream, on: connection, at: now) }) == true else { return false }
        _ = self.keeping.offer(())
        return true
    }

    /// Finishes streams that nobody has used for a while.
    func finishKept() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                guard let end = self.state.withLock({ $0.kept?.end }) else {
                    await self.keeping.next()
                    continue
                }
                // Some at a time.
                await self.clock.sleep(max(end, self.clock.now().advanced(by: .seconds(1))))
                let now = self.clock.now()
                for stream in self.state.withLock({ $0.kept?.takeOver(at: now) }) ?? [] {
                    group.addTask {
                        _ = try? await StreamError.within(.seconds(1), on: self.clock, "the end") { () throws(StreamError) in
                            try await stream.finish()
                        }
                    }
                }
            }
        }
    }

    // MARK: Announcements

    /// Tells a peer that this node has something. There is no answer to it: whoever takes it closes the stream, or says something, and
    /// whoever does not resets it (`Specs/Kademlia.md`, "Habits").
    ///
    /// Of several keys, one refusal is that of all.
    func tellProvider(of keys: [[UInt8]], to contact: Lookup.Contact) async throws(StreamError) {
        try await self.exchange(with: contact, "the announcement") { (stream, connection) throws(StreamError) in
            let own = self.ownContact(at: Meeting(connection), judge: self.judge)
            guard !own.addresses.isEmpty else { throw StreamError(.malformed, "this node has no address that the peer could be told") }
            for key in keys {
                var request = KademliaMessage(.addProvider, key: key)
                request.providers = [own]
                try await stream.writeMessage(request.encoded())
            }
            let early = try await self.clock.result(by: self.clock.now().advanced(by: Self.echoTime)) {
                () throws(StreamError) -> ByteBuffer? in try await stream.readMessage(upTo: KademliaLimits.requestSize)
            }
            if case .some(.some(let answer)) = early {
                if Self.isRefusal(answer) { throw StreamError(.rateLimited, "the peer keeps no more providers") }
                try? await stream.finish()
                return
            }
            try await stream.finish()
            while let answer = try await stream.readMessage(upTo: KademliaLimits.requestSize) {
                if Self.isRefusal(answer) { throw StreamError(.rateLimited, "the peer keeps no more providers") }
            }
        }
    }

    /// nim answers with a status in field 11: 1 is a refusal.
    private static func isRefusal(_ answer: ByteBuffer) -> Bool {
        var reader = ProtobufReader(answer)
        while let field = try? reader.next() {
            if field.number == 11, let status = field.varint { return status == 1 }
        }
        return false
    }

    private static func check(_ bytes: ByteBuffer, _ request: KademliaMessage) throws(StreamError) -> KademliaMessage {
        let message: KademliaMessage
        do throws(KademliaMessageError) {
            message = try KademliaMessage(reading: bytes)
        } catch {
            throw StreamError(.malformed, "the answer can't be read", cause: error)
        }
        guard message.kind == request.kind else {
            throw StreamError(.malformed, "the answer is one to \(message.kind), not to \(request.kind)")
        }
        guard message.key.isEmpty || message.key == request.key else {
            throw StreamError(.malformed, "the answer is one about another key")
        }
        if let record = message.record, record.key != request.key {
            throw StreamError(.malformed, "the answer has the record of another key")
        }
        return message
    }

    private func exchange<Success: Sendable>(
        with contact: Lookup.Contact, _ name: String, onKept: Bool = false, isRepeatable: Bool = true,
        _ body: @escaping @Sendable (PeerStream, ConnectionInfo) async throws(StreamError) -> Success
    ) async throws(StreamError) -> Success {
        self.state.withLock { state in
            state.asking[contact.peer, default: 0] += 1
            state.statistics.messages += 1
        }
        defer {
            self.state.withLock { state in
                let left = state.asking[contact.peer, default: 1] - 1
                state.asking[contact.peer] = left > 0 ? left : nil
            }
        }
        return try await StreamError.within(self.configuration.requestTimeout, on: self.clock, name) { () throws(StreamError) -> Success in
            do throws(StreamError) {
                return try await self.attempt(contact, onKept: onKept, isRepeatable: isRepeatable, body)
            } catch {
                // The connection was ending when it was chosen: a new one may do.
                guard error.code == .connectionLost, !(error.cause is DialError), !Task.isCancelled else { throw error }
                return try await self.attempt(contact, onKept: false, isRepeatable: isRepeatable, body)
            }
        }
    }

    private func attempt<Success: Sendable>(
        _ contact: Lookup.Contact, onKept: Bool, isRepeatable: Bool,
        _ body: @escaping @Sendable (PeerStream, ConnectionInfo) async throws(StreamError) -> Success
    ) async throws(StreamError) -> Success {
        let connection = try await self.connect(to: contact)
        let now = self.clock.now()
        if onKept, let kept = self.state.withLock({ $0.kept?.take(on: connection.info.id, at: now) }), kept.isAtRest {
            do throws(StreamError) {
                return try await body(kept, connection.info)
            } catch {
                // The peer had done with it: that says nothing of what it is asked for. But a value that is refused is answered by a reset, too.
                guard isRepeatable, [.reset, .unexpectedEnd, .connectionLost].contains(error.code), !Task.isCancelled else { throw error }
            }
        }
        let stream = try await self.host.openStream(on: connection.info.id, protocols: [self.configuration.protocolID])
        return try await body(stream, connection.info)
    }

    private func connect(to contact: Lookup.Contact) async throws(StreamError) -> PeerConnection {
        do throws(DialError) {
            return try await self.dial(contact, timeout: self.configuration.dialTimeout)
        } catch {
            throw StreamError(
                error.code == .cancelled ? .cancelled : .connectionLost, "\(contact.peer) was not reached", cause: error)
        }
    }

    /// Connects to a peer where it is said to be, and where it is known to be.
    func dial(_ contact: Lookup.Contact, timeout: Duration) async throws(DialError) -> PeerConnection {
        var request = DialRequest(timeout: timeout)
        request.remembered = contact.addresses
        if !contact.addresses.isEmpty {
            for known in await self.host.peerstore.knownAddresses(of: contact.peer) {
                if !request.remembered.contains(where: { $0.address == known.address }) { request.remembered.append(known) }
            }
        }
        return try await self.host.connect(to: contact.peer, request)
    }
}

extension StreamError {
    /// Whether it says something about the peer, and not about this node.
    var isThePeers: Bool {
        switch self.code {
        case .cancelled, .resourceLimit, .gated: return false
        case .connectionLost:
            guard let dial = self.cause as? DialError else { return true }
            return dial.code != .notRunning && dial.code != .resourceLimit && dial.code != .cancelled
        default: return true
        }
    }
}
