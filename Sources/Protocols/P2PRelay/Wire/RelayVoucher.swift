import NIOCore
import P2PCore
import P2PIdentity
import P2PProtobuf

/// By what a relay proves that somebody has a place at it (circuit-v2, "Reservation Vouchers").
struct RelayVoucher: Hashable {
    static let domain = "libp2p-relay-rsvp"
    /// The two bytes of the multicodec 0x0302, as they are.
    static let payloadType: [UInt8] = [0x03, 0x02]

    var relay: PeerID
    var peer: PeerID
    /// By the relay's clock, in seconds since 1970.
    var expiration: UInt64

    /// Opens a voucher in its envelope.
    ///
    /// - Throws: `.wrongVoucher` when it was not signed by the relay that it names, or is none.
    static func open(_ envelope: [UInt8]) throws(RelayError) -> RelayVoucher {
        let opened: SignedEnvelope
        do throws(IdentityError) {
            opened = try SignedEnvelope.open(envelope, payloadType: Self.payloadType, domain: Self.domain)
        } catch {
            throw RelayError(.wrongVoucher, "the voucher can't be opened", cause: error)
        }
        var reader = WireReader(ByteBuffer(bytes: opened.payload))
        var (relay, peer, expiration): (PeerID?, PeerID?, UInt64?)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .bytes(let bytes)): relay = try? PeerID(bytes: Array(bytes.readableBytesView))
            case (2, .bytes(let bytes)): peer = try? PeerID(bytes: Array(bytes.readableBytesView))
            case (3, .varint(let number)): expiration = number
            default: break
            }
        }
        guard let relay, let peer, let expiration else { throw RelayError(.wrongVoucher, "the voucher lacks a part") }
        let signer = PeerID(opened.publicKey)
        guard signer == relay else { throw RelayError(.wrongVoucher, "a voucher of \(relay) was signed by \(signer)") }
        return RelayVoucher(relay: relay, peer: peer, expiration: expiration)
    }

    /// The voucher in an envelope that the relay signs.
    func sealed(with key: some IdentityKey) async throws(IdentityError) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.write(1, bytes: self.relay.bytes)
        writer.write(2, bytes: self.peer.bytes)
        writer.write(3, varint: self.expiration)
        let envelope = try await SignedEnvelope.seal(
            writer.bytes, payloadType: Self.payloadType, domain: Self.domain, with: key)
        return try envelope.protobufEncoded()
    }
}
