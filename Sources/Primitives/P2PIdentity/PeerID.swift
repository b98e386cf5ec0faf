public import P2PMultiformats

/// The name of a peer: a multihash of its public key's protobuf (peer-ids spec, "Peer Ids").
///
/// A key of at most 42 bytes *is* its id (hash "identity"); a longer one is named by its SHA-256. Only these two forms exist here, in
/// their one spelling, so two ids are equal exactly when their bytes are. The bytes are kept inline: copies, hashing and comparison
/// neither allocate nor count references.
public struct PeerID: Hashable, Sendable {
    /// The longest key, in bytes of its protobuf, that is its own id (peer-ids spec, "Peer Ids").
    public static let maxInlinedKeyLength = 42
    /// The longest binary form, in bytes.
    public static let maxLength = 2 + Self.maxInlinedKeyLength
    /// The longest text that is parsed, in characters: the longest id as a CID in base2 has 370.
    public static let maxTextLength = 400

    private static let digestLength = 32

    private let storage: PeerIDStorage

    /// Names a peer by a multihash.
    ///
    /// - Throws: `.unsupportedHash` unless it is identity or sha2-256; `.invalidLength` for an identity digest that is empty or longer
    ///   than `maxInlinedKeyLength`, and for a sha2-256 digest that has not 32 bytes.
    public init(multihash: Multihash) throws(PeerIDError) {
        let length = multihash.digest.count
        switch multihash.code {
        case .identity:
            guard (1...Self.maxInlinedKeyLength).contains(length) else {
                throw PeerIDError(.invalidLength, "an inlined key has 1 to \(Self.maxInlinedKeyLength) bytes, this has \(length)")
            }
        case .sha2_256:
            guard length == Self.digestLength else {
                throw PeerIDError(.invalidLength, "a sha2-256 digest has \(Self.digestLength) bytes, this has \(length)")
            }
        default:
            throw PeerIDError(.unsupportedHash, "a peer id is an identity or sha2-256 multihash, this is \(multihash.code)")
        }
        self.storage = PeerIDStorage(multihash.bytes)
    }

    /// Reads the binary form, which takes up all of `bytes`.
    ///
    /// - Throws: `.tooLong`, `.malformed`, or as `init(multihash:)`.
    public init(bytes: some Collection<UInt8>) throws(PeerIDError) {
        guard bytes.count <= Self.maxLength else {
            throw PeerIDError(.tooLong, "\(bytes.count) bytes are beyond the \(Self.maxLength) of the longest peer id")
        }
        let multihash: Multihash
        do throws(MultiformatsError) {
            multihash = try Multihash(bytes: bytes)
        } catch {
            throw PeerIDError(
                .malformed, "not a whole multihash (\(bytes.count) bytes): was it cut or mistyped?", cause: error)
        }
        try self.init(multihash: multihash)
    }

    /// Parses an id as base58btc (`12D3Koo…`, `16Uiu2…`, `Qm…`) or as a CIDv1 with the codec libp2p-key in any multibase (`bafz…`, `k51…`)
    /// (peer-ids spec, "String representation").
    ///
    /// - Throws: `.tooLong` before any other work; `.malformed`; `.notAKey`; or as `init(multihash:)`.
    public init(string text: some StringProtocol) throws(PeerIDError) {
        let length = text.utf8.count
        guard length <= Self.maxTextLength else {
            throw PeerIDError(.tooLong, "\(length) characters are beyond the limit of \(Self.maxTextLength)")
        }
        if text.hasPrefix("1") || text.hasPrefix("Qm") {
            let bytes: [UInt8]
            do throws(MultiformatsError) {
                bytes = try Base58BTC.decode(text)
            } catch {
                throw PeerIDError(.malformed, "the text is not base58btc", cause: error)
            }
            try self.init(bytes: bytes)
        } else {
            let cid: CID
            do throws(MultiformatsError) {
                cid = try CID(text)
            } catch {
                throw PeerIDError(.malformed, "the text is neither a base58btc multihash nor a CID", cause: error)
            }
            guard cid.codec == .libp2pKey else {
                throw PeerIDError(.notAKey, "the CID is of \(cid.codec), not of a libp2p-key")
            }
            try self.init(multihash: cid.multihash)
        }
    }

    /// Names a peer by a key that is short enough to be its own id.
    ///
    /// - Precondition: `key` has 1 to `maxInlinedKeyLength` bytes.
    init(inlining key: [UInt8]) {
        precondition((1...Self.maxInlinedKeyLength).contains(key.count), "a key of \(key.count) bytes is not its own id")
        self.storage = PeerIDStorage([UInt8(Multicodec.identity.rawValue), UInt8(key.count)] + key)
    }

    /// Names a peer by the SHA-256 of its key.
    ///
    /// - Precondition: `digest` has 32 bytes.
    init(sha256 digest: [UInt8]) {
        precondition(digest.count == Self.digestLength, "a SHA-256 digest has \(Self.digestLength) bytes")
        self.storage = PeerIDStorage([UInt8(Multicodec.sha2_256.rawValue), UInt8(Self.digestLength)] + digest)
    }

    /// The binary form: a multihash.
    public var bytes: [UInt8] { self.storage.bytes }

    /// The public key's protobuf, when the id is the key itself.
    public var inlinedKey: [UInt8]? {
        let bytes = self.bytes
        return bytes.first == 0 ? Array(bytes.dropFirst(2)) : nil
    }

    /// The id as a CIDv1 in base32 (`bafz…`).
    public var cid: String {
        Multibase.encode(
            UnsignedVarint.encode(Multicodec.cidv1.rawValue) + UnsignedVarint.encode(Multicodec.libp2pKey.rawValue) + self.bytes,
            as: .base32)
    }
}

extension PeerID: Comparable {
    /// Orders ids as their bytes are ordered.
    public static func < (left: PeerID, right: PeerID) -> Bool { left.storage < right.storage }
}

extension PeerID: LosslessStringConvertible {
    /// The id in base58btc (`12D3Koo…`).
    public var description: String { Base58BTC.encode(self.bytes) }

    /// Parses an id as `init(string:)` does, without the reason.
    public init?(_ description: String) {
        guard let id = try? PeerID(string: description) else { return nil }
        self = id
    }
}

extension PeerID: Codable {
    /// Reads the id from its text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(PeerIDError) {
            self = try PeerID(string: text)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(error)")
        }
    }

    /// Writes the id as base58btc.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}
