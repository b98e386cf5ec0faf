import Crypto
import P2PCore

/// The XX handshake, either side of it (Noise spec, sections 5.3 and 7.5).
///
/// Writes and reads message after message, in turn. Knows nothing of libp2p: prologue and
/// payloads are the caller's. After an error, every further call is `.outOfTurn`.
package struct NoiseHandshake: ~Copyable {
    /// Which side this is.
    package enum Role: Sendable {
        case initiator, responder
    }

    /// What the two sides have agreed on.
    struct Outcome: ~Copyable {
        /// For what this side sends.
        let sending: SymmetricKey
        /// For what the other side sends.
        let receiving: SymmetricKey
        /// Unique to this handshake, the same on both sides.
        let handshakeHash: [UInt8]
        /// The other side's static key.
        let remoteStatic: [UInt8]
    }

    /// One step within a message: a key that is sent, or a pair of keys (first the initiator's) whose secret is mixed in.
    private enum Token {
        case e, s, ee, es, se
    }

    private static let pattern: [[Token]] = [[.e], [.e, .ee, .s, .es], [.s, .se]]
    /// An index beyond the pattern: an error happened.
    private static let failed = Int.max

    /// The hash and keys so far.
    private var symmetric: SymmetricState
    private let role: Role
    private let localStatic: DiffieHellmanKey
    private let localEphemeral: DiffieHellmanKey
    private var remoteStatic: [UInt8] = []
    private var remoteEphemeral: [UInt8] = []
    private var index = 0

    /// A handshake about to begin. `ephemeral` is given by tests alone.
    package init(
        role: Role, localStatic: DiffieHellmanKey, prologue: [UInt8] = [], ephemeral: DiffieHellmanKey = DiffieHellmanKey()
    ) {
        self.symmetric = SymmetricState(prologue: prologue)
        self.role = role
        self.localStatic = localStatic
        self.localEphemeral = ephemeral
    }

    /// Whether the three messages have passed.
    var isFinished: Bool { self.index == Self.pattern.count }

    /// Whether the next message is this side's.
    var isOurTurn: Bool {
        self.index < Self.pattern.count && (self.index.isMultiple(of: 2) == (self.role == .initiator))
    }

    /// The other side's static key, once its message was read; empty before.
    var receivedStatic: [UInt8] { self.remoteStatic }

    /// This side's next message, with `payload` at its end.
    package mutating func write(payload: [UInt8]) throws(NoiseError) -> [UInt8] {
        guard self.isOurTurn else { throw NoiseError(.outOfTurn, "it isn't this side's turn to write") }
        let index = self.index
        self.index = Self.failed
        var message: [UInt8] = []
        for token in Self.pattern[index] {
            switch token {
            case .e:
                message.append(contentsOf: self.localEphemeral.publicKey)
                self.symmetric.mixHash(self.localEphemeral.publicKey)
            case .s:
                try self.symmetric.encryptAndHash(self.localStatic.publicKey, to: &message)
            case .ee, .es, .se:
                try self.symmetric.mixKey(try self.secret(token))
            }
        }
        try self.symmetric.encryptAndHash(payload, to: &message)
        guard message.count <= NoiseLimits.maximumMessage else {
            throw NoiseError(.messageTooLong, "handshake message \(index + 1) would have \(message.count) bytes")
        }
        self.index = index + 1
        return message
    }

    /// Takes the other side's next message and gives its payload.
    package mutating func read(_ message: [UInt8]) throws(NoiseError) -> [UInt8] {
        guard self.index < Self.pattern.count, !self.isOurTurn else {
            throw NoiseError(.outOfTurn, "it isn't the other side's turn to write")
        }
        let index = self.index
        self.index = Self.failed
        var rest = message[...]
        for token in Self.pattern[index] {
            switch token {
            case .e:
                self.remoteEphemeral = [UInt8](try Self.take(DiffieHellmanKey.publicKeyLength, from: &rest, of: index))
                self.symmetric.mixHash(self.remoteEphemeral)
            case .s:
                let part = try Self.take(DiffieHellmanKey.publicKeyLength + NoiseLimits.tag, from: &rest, of: index)
                guard let key = try self.symmetric.decryptAndHash(part) else { throw Self.forged("static key", of: index) }
                self.remoteStatic = key
            case .ee, .es, .se:
                try self.symmetric.mixKey(try self.secret(token))
            }
        }
        if self.symmetric.hasKey, rest.count < NoiseLimits.tag {
            throw Self.tooShort(index)
        }
        guard let payload = try self.symmetric.decryptAndHash(rest) else { throw Self.forged("payload", of: index) }
        self.index = index + 1
        return payload
    }

    /// What was agreed on, once all messages have passed.
    consuming func finish() throws(NoiseError) -> Outcome {
        guard self.isFinished else { throw NoiseError(.outOfTurn, "the handshake isn't finished") }
        let isInitiator = self.role == .initiator
        let remoteStatic = self.remoteStatic
        let hash = self.symmetric.hash
        let keys = self.symmetric.split()
        return Outcome(
            sending: isInitiator ? keys.initiator : keys.responder, receiving: isInitiator ? keys.responder : keys.initiator,
            handshakeHash: hash, remoteStatic: remoteStatic)
    }

    private func secret(_ token: Token) throws(NoiseError) -> SymmetricKey {
        let usesLocalStatic: Bool
        let usesRemoteStatic: Bool
        switch token {
        case .es: (usesLocalStatic, usesRemoteStatic) = (self.role == .responder, self.role == .initiator)
        case .se: (usesLocalStatic, usesRemoteStatic) = (self.role == .initiator, self.role == .responder)
        case .e, .s, .ee: (usesLocalStatic, usesRemoteStatic) = (false, false)
        }
        let local = usesLocalStatic ? self.localStatic : self.localEphemeral
        return try local.agree(with: usesRemoteStatic ? self.remoteStatic : self.remoteEphemeral)
    }

    private static func take(_ count: Int, from rest: inout ArraySlice<UInt8>, of index: Int) throws(NoiseError) -> ArraySlice<UInt8> {
        guard rest.count >= count else { throw Self.tooShort(index) }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    private static func tooShort(_ index: Int) -> NoiseError {
        NoiseError(.messageTooShort, "handshake message \(index + 1) ends before its keys and tags do")
    }

    private static func forged(_ part: String, of index: Int) -> NoiseError {
        NoiseError(.authenticationFailed, "the \(part) in handshake message \(index + 1) does not authenticate")
    }
}
