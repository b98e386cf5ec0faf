import NIOCore
import P2PProtobuf

/// The addresses of a peer, in the peer's own words (RFC 0003, "Peer Routing Records").
///
/// Addresses are kept as the bytes of multiaddrs: reading them is for the layer above, which also decides what to do with one it can't read.
public struct PeerRecord: Sendable, Hashable {
    /// The domain under which peer records are signed.
    public static let domain = "libp2p-peer-record"

    /// The payload type of peer records: the two bytes of the multicodec 0x0301.
    ///
    /// They travel as they are, not as a varint, because that is what the network does.
    public static let payloadType: [UInt8] = [0x03, 0x01]

    /// The largest number of addresses in one record, both ways.
    public static let maximumAddresses = 256

    /// Whose addresses these are.
    public var peer: PeerID

    /// Grows with each record of the same peer, so that the newest can be told; often a time in nanoseconds.
    public var sequence: UInt64

    /// Multiaddrs in binary form, in the order of the peer's preference.
    public var addresses: [[UInt8]]

    /// Makes a record.
    public init(peer: PeerID, sequence: UInt64, addresses: [[UInt8]]) {
        self.peer = peer
        self.sequence = sequence
        self.addresses = addresses
    }

    /// Reads the protobuf message `PeerRecord`, which proves nothing until it comes out of a signed envelope.
    ///
    /// - Throws: `IdentityError` with code `.malformedEnvelope`.
    public init(protobufEncoded: [UInt8]) throws(IdentityError) {
        var peer: [UInt8] = []
        self.sequence = 0
        self.addresses = []
        var reader = ProtobufReader(ByteBuffer(bytes: protobufEncoded))
        do {
            while let field = try reader.next() {
                switch (field.number, field.value) {
                case (1, .bytes): peer = field.array ?? []
                case (2, .varint(let number)): self.sequence = number
                case (3, .bytes(let info)) where self.addresses.count <= Self.maximumAddresses:
                    self.addresses.append(try Self.address(in: info))
                default: break
                }
            }
            self.peer = try PeerID(bytes: peer)
        } catch {
            throw IdentityError(.malformedEnvelope, "\(protobufEncoded.count) bytes that are not a peer record", cause: error)
        }
        try self.requireBounded()
    }

    /// The protobuf message `PeerRecord`.
    ///
    /// - Throws: `IdentityError` with code `.envelopeTooLarge` above `maximumAddresses` addresses.
    public func protobufEncoded() throws(IdentityError) -> [UInt8] {
        try self.requireBounded()
        var writer = ProtobufWriter()
        writer.write(1, bytes: self.peer.bytes)
        // As proto3 has it, zero and what is empty are left out.
        if self.sequence > 0 { writer.write(2, varint: self.sequence) }
        for address in self.addresses {
            var info = ProtobufWriter(capacity: address.count + 4)
            if !address.isEmpty { info.write(1, bytes: address) }
            writer.write(3, message: info.buffer)
        }
        return writer.bytes
    }

    /// The address in a message `AddressInfo`.
    private static func address(in info: ByteBuffer) throws(ProtobufError) -> [UInt8] {
        var address: [UInt8] = []
        var reader = ProtobufReader(info)
        while let field = try reader.next() {
            if field.number == 1, let bytes = field.array { address = bytes }
        }
        return address
    }

    private func requireBounded() throws(IdentityError) {
        guard self.addresses.count <= Self.maximumAddresses else {
            throw IdentityError(
                .envelopeTooLarge, "a peer record of \(self.addresses.count) addresses; the limit is \(Self.maximumAddresses)")
        }
    }
}

extension PeerRecord {
    /// Signs the record with the key of the peer that it speaks of.
    ///
    /// - Throws: `IdentityError` with code `.wrongPeer` for another peer's key, `.envelopeTooLarge`, or what the key throws.
    public func sealed(with key: some IdentityKey) async throws(IdentityError) -> SignedEnvelope {
        guard PeerID(key.publicKey) == self.peer else {
            throw IdentityError(.wrongPeer, "a record of \(self.peer) can't be signed by the key of \(PeerID(key.publicKey))")
        }
        return try await SignedEnvelope.seal(
            try self.protobufEncoded(), payloadType: Self.payloadType, domain: Self.domain, with: key)
    }

    /// Opens a signed record and checks that the peer it speaks of is the one that signed.
    ///
    /// - Parameters:
    ///   - envelope: The protobuf message `Envelope`; may come from any peer.
    ///   - peer: The only peer whose record will do; nil accepts a valid record of anyone.
    /// - Throws: `IdentityError` with code `.wrongPeer`, or the codes of `SignedEnvelope.open(_:payloadType:domain:)`.
    public static func open(_ envelope: [UInt8], from peer: PeerID? = nil) throws(IdentityError) -> PeerRecord {
        let opened = try SignedEnvelope.open(envelope, payloadType: Self.payloadType, domain: Self.domain)
        let record = try PeerRecord(protobufEncoded: opened.payload)
        let signer = PeerID(opened.publicKey)
        guard record.peer == signer else {
            throw IdentityError(.wrongPeer, "a record of \(record.peer) signed by \(signer)")
        }
        guard peer == nil || peer == signer else {
            throw IdentityError(.wrongPeer, "a record of \(signer) where one of another peer was expected")
        }
        return record
    }
}
