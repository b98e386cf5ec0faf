import SwiftProtobuf

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

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
        do {
            let wire = try WirePeerRecord(serializedBytes: protobufEncoded)
            self.peer = try PeerID(bytes: Array(wire.peerID))
            self.sequence = wire.seq
            self.addresses = wire.addresses.map { Array($0.multiaddr) }
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
        var wire = WirePeerRecord()
        wire.peerID = Data(self.peer.bytes)
        wire.seq = self.sequence
        wire.addresses = self.addresses.map { address in
            var info = WirePeerRecord.AddressInfo()
            info.multiaddr = Data(address)
            return info
        }
        do {
            return try wire.serializedBytes()
        } catch {
            throw IdentityError(.malformedEnvelope, "the peer record can't be encoded", cause: error)
        }
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
