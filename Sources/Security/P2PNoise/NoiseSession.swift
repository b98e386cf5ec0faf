package import NIOCore
package import P2PCore
package import P2PIdentity
package import P2PPipeline

/// One side of a Noise connection as libp2p speaks it: the handshake with its payloads, then records.
///
/// Takes bytes as they arrive and says what to do; after an error it is closed for good.
package struct NoiseSession: ~Copyable {
    /// What to do next.
    package enum Event {
        /// Send these bytes.
        case send(ByteBuffer)
        /// The handshake is done: send these bytes, if any, and tell. Records may follow at once.
        case secured(SecuredPeer, sending: ByteBuffer?)
        /// Pass on what the peer said.
        case record(ByteBuffer)
        /// Wait for more.
        case none
    }

    /// What the handshake brought to light.
    package struct SecuredPeer {
        package var peer: PeerID
        package var key: PublicKey
        /// The first of the dialer's muxers that the listener speaks too, when both named theirs.
        package var earlyMuxer: ProtocolID?
        package var metadata: [UInt8]?
    }

    private enum Phase: ~Copyable {
        case handshake(NoiseHandshake, MessageCollector)
        case records(RecordOpener, RecordSealer)
        case closed
    }

    private var phase: Phase
    private let role: ConnectionRole
    private let identity: NoiseIdentity
    private let expected: PeerID?
    private let muxers: [ProtocolID]
    private let pool: RecordPool
    /// Bytes of memory that a record takes which is not whole.
    private(set) var partialRecord = 0

    /// A session about to begin. `ephemeral` is given by tests alone.
    package init(
        role: ConnectionRole, identity: NoiseIdentity, expecting expected: PeerID?, muxers: [ProtocolID],
        pool: RecordPool = RecordPool(), ephemeral: DiffieHellmanKey = DiffieHellmanKey()
    ) {
        self.pool = pool
        self.role = role
        self.identity = identity
        self.expected = expected
        self.muxers = muxers
        let handshake = NoiseHandshake(
            role: role == .dialer ? .initiator : .responder, localStatic: identity.staticKey, ephemeral: ephemeral)
        self.phase = .handshake(handshake, MessageCollector())
    }

    /// A session past its handshake, for tests of the records.
    init(role: ConnectionRole, identity: NoiseIdentity, opener: consuming RecordOpener, sealer: consuming RecordSealer) {
        self.pool = RecordPool()
        self.role = role
        self.identity = identity
        self.expected = nil
        self.muxers = []
        self.phase = .records(opener, sealer)
    }

    /// The phase, moved out so that it can be switched over; what isn't put back is closed.
    private mutating func takePhase() -> Phase {
        var phase = Phase.closed
        swap(&phase, &self.phase)
        return phase
    }

    /// The first message, when it is this side's to send.
    package mutating func start() throws(NoiseError) -> ByteBuffer? {
        switch self.takePhase() {
        case .handshake(var handshake, let collector):
            // Nothing is encrypted yet, so the first payload stays empty (libp2p noise spec, "Handshake Pattern").
            let message = handshake.isOurTurn ? Self.framed(try handshake.write(payload: [])) : nil
            self.phase = .handshake(handshake, collector)
            return message
        case .records(let opener, let sealer):
            self.phase = .records(opener, sealer)
            return nil
        case .closed:
            return nil
        }
    }

    /// Takes bytes that have arrived, up to the next event; call again while there are bytes left.
    package mutating func received(_ input: inout ByteBuffer) throws(NoiseError) -> Event {
        switch self.takePhase() {
        case .handshake(let handshake, var collector):
            guard let message = collector.next(from: &input) else {
                self.phase = .handshake(handshake, collector)
                return .none
            }
            return try self.received(message, in: handshake, collector)
        case .records(var opener, let sealer):
            self.partialRecord = 0
            let record = try opener.next(from: &input)
            self.partialRecord = opener.partialRecord
            self.phase = .records(opener, sealer)
            return record.map { .record($0) } ?? .none
        case .closed:
            input.moveReaderIndex(to: input.writerIndex)
            return .none
        }
    }

    private mutating func received(
        _ message: [UInt8], in handshake: consuming NoiseHandshake, _ collector: MessageCollector
    ) throws(NoiseError) -> Event {
        let payload = try handshake.read(message)
        switch self.role {
        case .dialer:
            let verified = try NoisePayload.verify(payload, staticKey: handshake.receivedStatic, expecting: self.expected)
            let reply = Self.framed(try handshake.write(payload: NoisePayload.make(self.identity, muxers: self.muxers)))
            return .secured(try self.finish(handshake, verified), sending: reply)
        case .listener where !handshake.isOurTurn:
            let verified = try NoisePayload.verify(payload, staticKey: handshake.receivedStatic, expecting: self.expected)
            return .secured(try self.finish(handshake, verified), sending: nil)
        case .listener:
            let reply = Self.framed(try handshake.write(payload: NoisePayload.make(self.identity, muxers: self.muxers)))
            self.phase = .handshake(handshake, collector)
            return .send(reply)
        }
    }

    private mutating func finish(_ handshake: consuming NoiseHandshake, _ verified: NoisePayload.Verified) throws(NoiseError) -> SecuredPeer
    {
        let outcome = try handshake.finish()
        self.phase = .records(
            RecordOpener(state: try CipherState(key: outcome.receiving), pool: self.pool),
            RecordSealer(state: try CipherState(key: outcome.sending)))
        let (dialers, listeners) = self.role == .dialer ? (self.muxers, verified.muxers) : (verified.muxers, self.muxers)
        return SecuredPeer(
            peer: verified.peer, key: verified.key, earlyMuxer: dialers.first { listeners.contains($0) }, metadata: verified.metadata)
    }

    /// Seals plaintext into a record; see ``RecordSealer/seal(_:)``.
    package mutating func seal(_ record: inout ByteBuffer) throws(NoiseError) {
        switch self.takePhase() {
        case .records(let opener, var sealer):
            try sealer.seal(&record)
            self.phase = .records(opener, sealer)
        case .handshake(let handshake, let collector):
            self.phase = .handshake(handshake, collector)
            throw NoiseError(.outOfTurn, "nothing can be sent before the handshake is done")
        case .closed:
            throw NoiseError(.closed, "the Noise channel has ended")
        }
    }

    /// Nothing more will arrive, though something may still be sent: an error, unless that is so between two records.
    package mutating func inputClosed() throws(NoiseError) {
        let position: String?
        switch self.takePhase() {
        case .handshake(let handshake, let collector):
            position = collector.position ?? "before the handshake was done"
            self.phase = .handshake(handshake, collector)
        case .records(let opener, let sealer):
            position = opener.position
            self.phase = .records(opener, sealer)
        case .closed:
            position = nil
        }
        if let position { throw NoiseError(.truncated, "the connection ended \(position)") }
    }

    /// Ends the session; whatever arrives from now on is dropped.
    mutating func close() {
        self.phase = .closed
    }

    private static func framed(_ message: [UInt8]) -> ByteBuffer {
        var frame = ByteBufferAllocator().buffer(capacity: NoiseLimits.prefix + message.count)
        frame.writeInteger(UInt16(truncatingIfNeeded: message.count))
        frame.writeBytes(message)
        return frame
    }
}
