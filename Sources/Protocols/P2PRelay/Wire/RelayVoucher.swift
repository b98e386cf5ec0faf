import P2PCore
import P2PIdentity

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
        var reader = WireReader(opened.payload[...])
        var (relay, peer, expiration): (PeerID?, PeerID?, UInt64?)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .bytes(let bytes)): relay = try? PeerID(bytes: Array(bytes))
            case (2, .bytes(let bytes)): peer = try? PeerID(bytes: Array(bytes))
            case (3, .number(let number)): expiration = number
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
        var writer = WireWriter()
        writer.write(self.relay.bytes, as: 1)
        writer.write(self.peer.bytes, as: 2)
        writer.write(self.expiration, as: 3)
        let envelope = try await SignedEnvelope.seal(writer.bytes, payloadType: Self.payloadType, domain: Self.domain, with: key)
        return try envelope.protobufEncoded()
    }
}
