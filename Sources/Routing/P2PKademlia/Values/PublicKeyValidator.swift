public import P2PCore
public import P2PIdentity

/// `/pk/`: the public key of a peer whose id is only the hash of it (kad-dht spec, "Value storage and retrieval").
public struct PublicKeyValidator: RecordValidator {
    /// What the keys begin with.
    public static let prefix = Array("/pk/".utf8)

    /// A validator without settings.
    public init() {}

    /// The key under which a peer's public key stands.
    public static func key(of peer: PeerID) -> [UInt8] { Self.prefix + peer.bytes }

    /// The value is the protobuf of the key whose peer the key names.
    public func validate(_ value: [UInt8], for key: [UInt8], at now: Int64) throws(KademliaError) {
        guard key.starts(with: Self.prefix), let peer = try? PeerID(bytes: key.dropFirst(Self.prefix.count)) else {
            throw KademliaError(.invalidKey, "the key is not /pk/ and the bytes of a peer id")
        }
        let publicKey: PublicKey
        do throws(IdentityError) {
            publicKey = try PublicKey(protobufEncoded: value)
        } catch {
            throw KademliaError(.invalidValue, "the value is no public key", cause: error)
        }
        guard PeerID(publicKey) == peer else {
            throw KademliaError(.invalidValue, "the value is the key of \(PeerID(publicKey)), not of \(peer)")
        }
    }

    /// There is only one that is valid.
    public func prefers(_ value: [UInt8], to other: [UInt8], for key: [UInt8]) -> Bool { false }
}
