import P2PIdentity
import Testing

@Suite("Peer records")
struct PeerRecordTests {
    private static let addresses: [[UInt8]] = [[0x04, 127, 0, 0, 1, 0x06, 0x0F, 0xA1], [0x04, 10, 0, 0, 1, 0x06, 0x0F, 0xA1]]

    @Test("A record that a peer signs opens with its id, sequence and addresses in order", arguments: KeyType.allCases)
    func roundTrip(type: KeyType) async throws {
        let key = try PrivateKey.generate(type)
        let record = PeerRecord(peer: PeerID(key.publicKey), sequence: .max, addresses: Self.addresses)
        let bytes = try await record.sealed(with: key).protobufEncoded()
        #expect(try PeerRecord.open(bytes) == record)
        #expect(try PeerRecord.open(bytes, from: PeerID(key.publicKey)) == record)
    }

    @Test("On the wire: id, sequence, and each address in a message of its own")
    func wireForm() throws {
        let peer = try PeerID(PrivateKey.generate(.ed25519).publicKey)
        let record = PeerRecord(peer: peer, sequence: 300, addresses: [[1, 2, 3], [4]])
        let expected: [UInt8] =
            [0x0A, 38] + peer.bytes + [0x10, 0xAC, 0x02] + [0x1A, 5, 0x0A, 3, 1, 2, 3] + [0x1A, 3, 0x0A, 1, 4]
        #expect(try record.protobufEncoded() == expected)
        // What is zero or empty is left out.
        let least = PeerRecord(peer: peer, sequence: 0, addresses: [[]])
        #expect(try least.protobufEncoded() == [0x0A, 38] + peer.bytes + [0x1A, 0])
        #expect(try PeerRecord(protobufEncoded: least.protobufEncoded()) == least)
        #expect(PeerRecord.payloadType == [3, 1])
        #expect(PeerRecord.domain == "libp2p-peer-record")
    }

    @Test("A record about another peer than the signer is refused, when sealing and when opening")
    func otherPeer() async throws {
        let signer = try PrivateKey.generate(.ed25519)
        let victim = try PeerID(PrivateKey.generate(.ed25519).publicKey)
        let record = PeerRecord(peer: victim, sequence: 1, addresses: Self.addresses)
        await #expect(throws: IdentityError(.wrongPeer, "")) { try await record.sealed(with: signer) }
        let forged = try await SignedEnvelope.seal(
            record.protobufEncoded(), payloadType: PeerRecord.payloadType, domain: PeerRecord.domain, with: signer)
        #expect(throws: IdentityError(.wrongPeer, "")) { try PeerRecord.open(forged.protobufEncoded()) }
        let honest = try await PeerRecord(peer: PeerID(signer.publicKey), sequence: 1, addresses: []).sealed(with: signer)
        #expect(throws: IdentityError(.wrongPeer, "")) { try PeerRecord.open(honest.protobufEncoded(), from: victim) }
    }

    @Test("A signed payload that is no record, or that names no peer, is refused")
    func malformed() async throws {
        let key = try PrivateKey.generate(.ed25519)
        for payload: [UInt8] in [[], [0x0A], [0x0A, 0x00, 0x10, 0x01], [0x0A, 0x02, 0x12, 0x20], [0xFF, 0xFF]] {
            let envelope = try await SignedEnvelope.seal(
                payload, payloadType: PeerRecord.payloadType, domain: PeerRecord.domain, with: key)
            #expect(throws: IdentityError(.malformedEnvelope, "")) { try PeerRecord.open(envelope.protobufEncoded()) }
        }
    }

    @Test("Addresses in one record are limited both ways")
    func limits() async throws {
        let key = try PrivateKey.generate(.ed25519)
        let most = [[UInt8]](repeating: [1], count: PeerRecord.maximumAddresses)
        let full = PeerRecord(peer: PeerID(key.publicKey), sequence: 1, addresses: most)
        let bytes = try await full.sealed(with: key).protobufEncoded()
        #expect(try PeerRecord.open(bytes).addresses.count == PeerRecord.maximumAddresses)
        let over = PeerRecord(peer: PeerID(key.publicKey), sequence: 1, addresses: most + [[1]])
        await #expect(throws: IdentityError(.envelopeTooLarge, "")) { try await over.sealed(with: key) }
        let payload = try full.protobufEncoded() + [0x1A, 3, 0x0A, 1, 1]
        let envelope = try await SignedEnvelope.seal(payload, payloadType: PeerRecord.payloadType, domain: PeerRecord.domain, with: key)
        #expect(throws: IdentityError(.envelopeTooLarge, "")) { try PeerRecord.open(envelope.protobufEncoded()) }
    }
}
