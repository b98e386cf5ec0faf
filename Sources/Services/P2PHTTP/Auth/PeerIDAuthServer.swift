import Crypto
import P2PCore
public import P2PIdentity

/// A server's side of peer-id authentication: what to answer to an `Authorization` field. No socket; it keeps nothing between requests, since what
/// it has to remember travels with the client, sealed.
public struct PeerIDAuthServer: Sendable {
    /// What a request comes to.
    public enum Answer: Sendable, Hashable {
        /// The client is to prove who it is: 401, with that as `WWW-Authenticate`.
        case challenge(String)
        /// That peer it is. The field is `Authentication-Info`, and nil where the client had its token already.
        case peer(PeerID, String?)
        /// The field is broken, or a signature is wrong: 400.
        case refused(String)
    }

    /// How long a challenge may be answered.
    public var challengeLifetime = Duration.seconds(300)
    /// How long a token holds.
    public var tokenLifetime = Duration.seconds(3_600)
    private let identity: any IdentityKey
    private let key: SymmetricKey
    private let time: @Sendable () -> Int64
    private let makeChallenge: @Sendable () -> String

    /// - Parameter secret: seals tokens and challenges, 32 bytes; servers of one name share it. Nil makes one of this process.
    public init(identity: any IdentityKey, secret: [UInt8]? = nil) {
        self.init(identity: identity, secret: secret, time: { WallTime.now.secondsSince1970 }) {
            PeerIDAuth.encode(SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) })
        }
    }

    init(
        identity: any IdentityKey, secret: [UInt8]?, time: @escaping @Sendable () -> Int64,
        makeChallenge: @escaping @Sendable () -> String
    ) {
        self.identity = identity
        self.key = secret.map { SymmetricKey(data: $0) } ?? SymmetricKey(size: .bits256)
        self.time = time
        self.makeChallenge = makeChallenge
    }

    /// Looks at a request.
    ///
    /// - Parameters:
    ///   - authorization: its `Authorization` field; nil where it has none.
    ///   - hostname: the name for which it came, which the server has to have checked: that of TLS.
    public func answer(authorization: String?, hostname: String) async throws(IdentityError) -> Answer {
        guard let authorization else { return .challenge(self.challenge(hostname)) }
        guard let parameters = PeerIDAuthParameters(authorization) else { return .refused("the Authorization field can't be read") }
        if let bearer = parameters["bearer"] {
            guard let token = self.open(bearer), token.kind == "token", token.hostname == hostname, self.isFresh(token, self.tokenLifetime)
            else { return .challenge(self.challenge(hostname)) }
            return .peer(PeerID(token.key), nil)
        }
        guard let opaque = parameters["opaque"] else { return try await self.begin(parameters, hostname) }
        guard let signature = parameters.signature else { return .refused("there is no signature") }
        guard let state = self.open(opaque), state.kind != "token", state.hostname == hostname, self.isFresh(state, self.challengeLifetime)
        else { return .challenge(self.challenge(hostname)) }
        // Where the client began, its key is in the state; else it tells it now.
        guard let clientKey = state.kind == "client" ? state.key : parameters.publicKey else { return .refused("there is no public key") }
        let signed = PeerIDAuth.clientBytes(challenge: state.challenge, hostname: hostname, serverKey: self.identity.publicKey)
        guard clientKey.isValidSignature(signature, for: signed) else { return .refused("the signature is wrong") }
        var info = ["bearer": self.seal(Sealed(kind: "token", key: clientKey, hostname: hostname, time: self.time()))]
        if state.kind == "server" {
            guard let challenge = parameters.challenge("challenge-server") else { return .refused("the server's challenge is too short") }
            info["sig"] = try await self.sign(challenge, hostname, clientKey)
        }
        return .peer(PeerID(clientKey), PeerIDAuthParameters(info).text)
    }

    /// The server asks first.
    private func challenge(_ hostname: String) -> String {
        let challenge = self.makeChallenge()
        let state = Sealed(kind: "server", key: self.identity.publicKey, hostname: hostname, time: self.time(), challenge: challenge)
        return PeerIDAuthParameters([
            "challenge-client": challenge, "public-key": PeerIDAuth.encode(self.identity.publicKey.protobufEncoded),
            "opaque": self.seal(state),
        ]).text
    }

    /// The client asked first: the server proves who it is, and asks back.
    private func begin(_ parameters: PeerIDAuthParameters, _ hostname: String) async throws(IdentityError) -> Answer {
        guard let theirs = parameters.challenge("challenge-server"), let clientKey = parameters.publicKey else {
            return .refused("there is no challenge, or no public key")
        }
        let challenge = self.makeChallenge()
        let state = Sealed(kind: "client", key: clientKey, hostname: hostname, time: self.time(), challenge: challenge)
        return .challenge(
            PeerIDAuthParameters([
                "challenge-client": challenge, "public-key": PeerIDAuth.encode(self.identity.publicKey.protobufEncoded),
                "sig": try await self.sign(theirs, hostname, clientKey), "opaque": self.seal(state),
            ]).text)
    }

    private func sign(_ challenge: String, _ hostname: String, _ clientKey: PublicKey) async throws(IdentityError) -> String {
        PeerIDAuth.encode(
            try await self.identity.sign(PeerIDAuth.serverBytes(challenge: challenge, hostname: hostname, clientKey: clientKey)))
    }

    // MARK: What travels with the client

    private struct Sealed {
        var kind: String
        var key: PublicKey
        var hostname: String
        var time: Int64
        var challenge = ""
    }

    private func isFresh(_ sealed: Sealed, _ lifetime: Duration) -> Bool {
        let age = self.time() - sealed.time
        return age >= 0 && age <= lifetime.components.seconds
    }

    private func seal(_ sealed: Sealed) -> String {
        let fields = [sealed.kind, PeerIDAuth.encode(sealed.key.protobufEncoded), String(sealed.time), sealed.challenge, sealed.hostname]
        let content = Array(fields.joined(separator: "\n").utf8)
        return PeerIDAuth.encode(Array(HMAC<SHA256>.authenticationCode(for: content, using: self.key)) + content)
    }

    private func open(_ text: String) -> Sealed? {
        guard let bytes = PeerIDAuth.decode(text), bytes.count > SHA256.byteCount else { return nil }
        let (code, content) = (bytes.prefix(SHA256.byteCount), Array(bytes.dropFirst(SHA256.byteCount)))
        guard HMAC<SHA256>.isValidAuthenticationCode(Array(code), authenticating: content, using: self.key) else { return nil }
        let fields = String(decoding: content, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 5, let time = Int64(fields[2]), let encoded = PeerIDAuth.decode(fields[1]),
            let key = try? PublicKey(protobufEncoded: encoded)
        else { return nil }
        return Sealed(kind: fields[0], key: key, hostname: fields[4], time: time, challenge: fields[3])
    }
}
