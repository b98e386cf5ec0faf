import NIOCore
public import P2PCore
public import P2PIdentity
import P2PProtobuf

/// Where the name of a peer leads, signed by it (IPNS spec, "IPNS Record").
public struct IPNSRecord: Hashable, Sendable {
    /// The longest record that is looked at, in bytes (IPNS spec, "Record Size Limit").
    public static let maximumSize = 10_240
    /// What the keys begin with.
    public static let prefix = Array("/ipns/".utf8)

    /// The path that it leads to, such as `/ipfs/bafk…`.
    public let value: [UInt8]
    /// Counts up with each change.
    public let sequence: UInt64
    /// Until when it is valid, in RFC 3339.
    public let validity: [UInt8]
    /// How long it may be kept without asking again, in nanoseconds.
    public let timeToLive: UInt64

    let end: InternetTime

    /// The key under which the record of a name stands.
    public static func key(of name: PeerID) -> [UInt8] { Self.prefix + name.bytes }

    /// Reads a record, and checks all of it but its time.
    ///
    /// - Parameter name: whose it has to be.
    /// - Throws: `invalidValue`, for the first reason of the spec's order.
    public init(verifying bytes: [UInt8], of name: PeerID) throws(KademliaError) {
        try self.init(reading: bytes, of: name, isVerified: false)
    }

    /// - Parameter isVerified: whether the signature has been checked before, which takes longest.
    init(reading bytes: [UInt8], of name: PeerID, isVerified: Bool) throws(KademliaError) {
        func refused(_ reason: String, _ cause: (any Error)? = nil) -> KademliaError { KademliaError(.invalidValue, reason, cause: cause) }
        guard bytes.count <= Self.maximumSize else {
            throw refused("the record has \(bytes.count) bytes; at most \(Self.maximumSize) are taken")
        }
        let wire: Wire
        do throws(ProtobufError) {
            wire = try Wire(bytes)
        } catch {
            throw refused("the record is no protobuf", error)
        }
        guard let signature = wire.signatureV2, let data = wire.data, !signature.isEmpty, !data.isEmpty else {
            throw refused("the record has no signature of version 2")
        }
        guard let encoded = wire.publicKey ?? name.inlinedKey else {
            throw refused("the record has no key, and its name is only the hash of one")
        }
        let key: PublicKey
        do throws(IdentityError) {
            key = try PublicKey(protobufEncoded: encoded)
        } catch {
            throw refused("the record's key is none", error)
        }
        guard PeerID(key) == name else { throw refused("the record is signed by \(PeerID(key)), not by \(name)") }
        guard let map = CBORMap(data), case .bytes(let value)? = map["Value"], case .bytes(let validity)? = map["Validity"],
            case .number(let kind)? = map["ValidityType"], case .number(let sequence)? = map["Sequence"],
            case .number(let timeToLive)? = map["TTL"]
        else { throw refused("the record's data is not the map that it has to be") }
        guard isVerified || key.isValidSignature(signature, for: Self.signed(data)) else {
            throw refused("the record's signature is not that of its data")
        }
        if wire.value != nil || wire.signatureV1 != nil {
            guard wire.value == value, wire.validity == validity, wire.validityType ?? 0 == kind, wire.sequence ?? 0 == sequence,
                wire.timeToLive ?? 0 == timeToLive
            else { throw refused("the record says one thing in its fields and another in its signed data") }
        }
        guard kind == 0, let end = InternetTime(validity) else { throw refused("the record does not say until when it is valid") }
        guard timeToLive <= UInt64(Int64.max) else { throw refused("the record's time to live is below zero") }
        self.value = value
        self.sequence = sequence
        self.validity = validity
        self.timeToLive = timeToLive
        self.end = end
    }

    /// Makes a record, and signs it.
    ///
    /// - Parameters:
    ///   - value: the path that the name is to lead to.
    ///   - end: until when it is valid, in seconds since 1970, UTC.
    ///   - timeToLive: how long it may be kept without asking again.
    ///   - hasV1: whether old nodes can read it, too.
    /// - Returns: what is put under ``key(of:)``.
    /// - Throws: what the key has to say.
    public static func sign(
        _ value: String, sequence: UInt64, validUntil end: Int64, timeToLive: Duration = .seconds(300), hasV1: Bool = true,
        with key: any IdentityKey
    ) async throws(IdentityError) -> [UInt8] {
        let path = Array(value.utf8)
        let validity = Array(InternetTime(seconds: end).text.utf8)
        let parts = timeToLive.components
        let nanoseconds = UInt64(max(0, parts.seconds)) &* 1_000_000_000 &+ UInt64(max(0, parts.attoseconds / 1_000_000_000))
        var map = CBORMap()
        map["Value"] = .bytes(path)
        map["Validity"] = .bytes(validity)
        map["ValidityType"] = .number(0)
        map["Sequence"] = .number(sequence)
        map["TTL"] = .number(nanoseconds)
        let data = map.encoded
        var writer = ProtobufWriter(capacity: 512)
        if hasV1 {
            writer.write(1, bytes: path)
            writer.write(2, bytes: try await key.sign(path + validity + Array("EOL".utf8)))
            writer.write(3, varint: 0)
            writer.write(4, bytes: validity)
            writer.write(5, varint: sequence)
            writer.write(6, varint: nanoseconds)
        }
        if PeerID(key.publicKey).inlinedKey == nil { writer.write(7, bytes: key.publicKey.protobufEncoded) }
        writer.write(8, bytes: try await key.sign(Self.signed(data)))
        writer.write(9, bytes: data)
        return writer.bytes
    }

    private static func signed(_ data: [UInt8]) -> [UInt8] { Array("ipns-signature:".utf8) + data }

    /// The fields of the protobuf message `IpnsEntry`; of a field that is there twice, the last counts.
    private struct Wire {
        var value: [UInt8]?
        var signatureV1: [UInt8]?
        var validityType: UInt64?
        var validity: [UInt8]?
        var sequence: UInt64?
        var timeToLive: UInt64?
        var publicKey: [UInt8]?
        var signatureV2: [UInt8]?
        var data: [UInt8]?

        init(_ bytes: [UInt8]) throws(ProtobufError) {
            var reader = ProtobufReader(ByteBuffer(bytes: bytes))
            while let field = try reader.next() {
                switch field.number {
                case 1: self.value = field.array ?? self.value
                case 2: self.signatureV1 = field.array ?? self.signatureV1
                case 3: self.validityType = field.varint ?? self.validityType
                case 4: self.validity = field.array ?? self.validity
                case 5: self.sequence = field.varint ?? self.sequence
                case 6: self.timeToLive = field.varint ?? self.timeToLive
                case 7: self.publicKey = field.array ?? self.publicKey
                case 8: self.signatureV2 = field.array ?? self.signatureV2
                case 9: self.data = field.array ?? self.data
                default: break
                }
            }
        }
    }
}

/// `/ipns/`: where the name of a peer leads (IPNS spec, "Record Verification").
public struct IPNSValidator: RecordValidator {
    /// A validator without settings.
    public init() {}

    /// The record is signed by the peer that the key names, and its time is not over.
    public func validate(_ value: [UInt8], for key: [UInt8], at now: Int64) throws(KademliaError) {
        let record = try IPNSRecord(verifying: value, of: Self.name(in: key))
        guard record.end > InternetTime(seconds: now) else {
            throw KademliaError(.invalidValue, "the record was valid until \(String(decoding: record.validity, as: UTF8.self))")
        }
    }

    /// The higher sequence, then the later end, then the greater bytes. Both are valid, so their signatures are not checked again.
    public func prefers(_ value: [UInt8], to other: [UInt8], for key: [UInt8]) -> Bool {
        guard let name = try? Self.name(in: key), let record = try? IPNSRecord(reading: value, of: name, isVerified: true) else {
            return false
        }
        guard let otherRecord = try? IPNSRecord(reading: other, of: name, isVerified: true) else { return true }
        if record.sequence != otherRecord.sequence { return record.sequence > otherRecord.sequence }
        if record.end != otherRecord.end { return record.end > otherRecord.end }
        return other.lexicographicallyPrecedes(value)
    }

    /// When the record says.
    public func end(of value: [UInt8], for key: [UInt8]) -> Int64? {
        guard let name = try? Self.name(in: key), let record = try? IPNSRecord(reading: value, of: name, isVerified: true) else {
            return nil
        }
        return record.end.seconds
    }

    private static func name(in key: [UInt8]) throws(KademliaError) -> PeerID {
        guard key.starts(with: IPNSRecord.prefix), let name = try? PeerID(bytes: key.dropFirst(IPNSRecord.prefix.count)) else {
            throw KademliaError(.invalidKey, "the key is not /ipns/ and the bytes of a peer id")
        }
        return name
    }
}
