import P2PIdentity

/// Peer ids, keys and signed records: one key has one spelling and one id, and nobody else can sign.
enum IdentityFuzzing {
    static func peerID(bytes: [UInt8]) {
        guard let peer = try? PeerID(bytes: bytes) else { return }
        precondition(peer.bytes == bytes, "two spellings of \(peer)")
        Self.check(peer)
    }

    static func peerID(text bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let peer = try? PeerID(string: text) else { return }
        Self.check(peer)
        if text.hasPrefix("1") || text.hasPrefix("Qm") { precondition(peer.description == text, "two spellings of \(peer)") }
    }

    private static func check(_ peer: PeerID) {
        precondition(peer.bytes.count <= PeerID.maxLength)
        precondition((try? PeerID(bytes: peer.bytes)) == peer)
        precondition((try? PeerID(string: peer.description)) == peer, "\(peer) is refused")
        precondition((try? PeerID(string: peer.cid)) == peer, "\(peer.cid) is refused")
        precondition(!(peer < peer))
        if let key = peer.inlinedKey, let key = try? PublicKey(protobufEncoded: key) { precondition(PeerID(key) == peer) }
    }

    static func publicKey(_ bytes: [UInt8]) {
        guard let key = try? PublicKey(protobufEncoded: bytes) else { return }
        precondition(key.protobufEncoded == bytes, "two spellings of \(key)")
        Self.check(PeerID(key))
        // Ends of the input for a signature: of every length, and never a true one.
        for count in [0, 1, 64, 72, bytes.count] {
            precondition(!key.isValidSignature(Array(bytes.suffix(count)), for: bytes), "\(key) accepts a forgery")
        }
    }

    static func privateKey(_ bytes: [UInt8]) {
        guard let key = try? PrivateKey(protobufEncoded: bytes) else { return }
        guard let again = try? PrivateKey(protobufEncoded: key.protobufEncoded) else { preconditionFailure("\(key) is refused") }
        precondition(again.protobufEncoded == key.protobufEncoded && again.publicKey == key.publicKey)
        precondition((try? PublicKey(protobufEncoded: key.publicKey.protobufEncoded)) == key.publicKey)
        // Only the older form of Ed25519 keys, with the public key twice, is not the canonical one.
        precondition(key.protobufEncoded == bytes || (key.type == .ed25519 && bytes.count == 100), "two spellings of \(key)")
        precondition(!String(reflecting: key).contains("["), "a description shows \(bytes.count) bytes")
    }

    /// What the peer of `FuzzIdentity` has signed.
    static let record = PeerRecord(
        peer: FuzzIdentity.peer, sequence: 1_700_000_000, addresses: [[4, 127, 0, 0, 1, 6, 0x0f, 0xa1], [4, 10, 0, 0, 1, 6, 0x0f, 0xa1]])

    static func signedEnvelope(_ bytes: [UInt8]) {
        guard let envelope = try? SignedEnvelope.open(bytes, payloadType: PeerRecord.payloadType, domain: PeerRecord.domain) else { return }
        guard let encoded = try? envelope.protobufEncoded() else { preconditionFailure("an envelope that was opened can't be encoded") }
        let again = try? SignedEnvelope.open(encoded, payloadType: PeerRecord.payloadType, domain: PeerRecord.domain)
        precondition(again == envelope, "an envelope changes when encoded")
        precondition((try? SignedEnvelope.open(encoded, payloadType: PeerRecord.payloadType, domain: "another")) == nil)
        if envelope.publicKey == FuzzIdentity.key {
            precondition(envelope.payload == (try? Self.record.protobufEncoded()), "a forged record of \(FuzzIdentity.peer)")
        }
        guard let record = try? PeerRecord.open(bytes) else { return }
        precondition(record.peer == PeerID(envelope.publicKey))
        precondition((try? PeerRecord.open(bytes, from: record.peer)) == record)
    }

    static func peerRecord(_ bytes: [UInt8]) {
        guard let record = try? PeerRecord(protobufEncoded: bytes) else { return }
        precondition(record.addresses.count <= PeerRecord.maximumAddresses)
        guard let encoded = try? record.protobufEncoded() else { preconditionFailure("a record that was read can't be encoded") }
        precondition((try? PeerRecord(protobufEncoded: encoded)) == record, "a record changes when encoded")
    }
}
