import Crypto
public import P2PIdentity

/// A client's side of peer-id authentication with one server: what to send as `Authorization`, and what to make of its answers. No socket.
public struct PeerIDAuthClient: Sendable {
    /// What an answer comes to.
    public enum Step: Sendable, Hashable {
        /// Ask again, with that as `Authorization`.
        case authorize(String)
        /// The server is that peer, and knows who this one is.
        case authenticated(PeerID)
        /// The server is not to be trusted, or speaks otherwise.
        case failed(String)
    }

    private let identity: any IdentityKey
    private let hostname: String
    private let challenge: String
    private var serverKey: PublicKey?
    private var hasServerProved = false
    private var bearer: String?

    /// - Parameter hostname: the server's name, as TLS and the `Host` field have it.
    public init(identity: any IdentityKey, hostname: String) {
        self.init(
            identity: identity, hostname: hostname,
            challenge: PeerIDAuth.encode(SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }))
    }

    init(identity: any IdentityKey, hostname: String, challenge: String) {
        self.identity = identity
        self.hostname = hostname
        self.challenge = challenge
    }

    /// What to send with a request: the token, once there is one, or else what begins.
    public var authorization: String {
        if let bearer = self.bearer, self.hasServerProved { return PeerIDAuthParameters(["bearer": bearer]).text }
        return PeerIDAuthParameters([
            "challenge-server": self.challenge, "public-key": PeerIDAuth.encode(self.identity.publicKey.protobufEncoded),
        ]).text
    }

    /// The server answers 401, with that as `WWW-Authenticate`.
    public mutating func challenged(_ field: String) async throws(IdentityError) -> Step {
        self.bearer = nil
        guard let parameters = PeerIDAuthParameters(field), let theirs = parameters.challenge("challenge-client"),
            let serverKey = parameters.publicKey, let opaque = parameters["opaque"]
        else { return .failed("the server's challenge can't be read") }
        self.serverKey = serverKey
        var answer = [
            "opaque": opaque,
            "sig": PeerIDAuth.encode(
                try await self.identity.sign(PeerIDAuth.clientBytes(challenge: theirs, hostname: self.hostname, serverKey: serverKey))),
        ]
        if let signature = parameters.signature {
            guard self.isServers(signature, serverKey) else { return .failed("the server's signature is wrong") }
            self.hasServerProved = true
        } else {
            // It did not take the client's beginning, and asks first.
            self.hasServerProved = false
            answer["challenge-server"] = self.challenge
            answer["public-key"] = PeerIDAuth.encode(self.identity.publicKey.protobufEncoded)
        }
        return .authorize(PeerIDAuthParameters(answer).text)
    }

    /// The server took it, with that as `Authentication-Info`.
    public mutating func accepted(_ field: String) -> Step {
        guard let parameters = PeerIDAuthParameters(field), let serverKey = self.serverKey else {
            return .failed("what the server says of itself can't be read")
        }
        if !self.hasServerProved {
            guard let signature = parameters.signature, self.isServers(signature, serverKey) else {
                return .failed("the server's signature is wrong")
            }
            self.hasServerProved = true
        }
        self.bearer = parameters["bearer"]
        return .authenticated(PeerID(serverKey))
    }

    private func isServers(_ signature: [UInt8], _ serverKey: PublicKey) -> Bool {
        serverKey.isValidSignature(
            signature,
            for: PeerIDAuth.serverBytes(challenge: self.challenge, hostname: self.hostname, clientKey: self.identity.publicKey))
    }
}
