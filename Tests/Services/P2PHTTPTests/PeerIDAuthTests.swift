import P2PIdentity
import Testing

@testable import P2PHTTP

@Suite("Peer-id authentication")
struct PeerIDAuthTests {
    private static let hostname = "example.com"
    private static let ones = "ERERERERERERERERERERERERERERERERERERERERERE="
    private static let threes = "MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz"

    private func key(_ byte: UInt8) throws -> PrivateKey { try PrivateKey(ed25519Seed: Array(repeating: byte, count: 32)) }

    @Test("Keys and signatures are those of the specification")
    func vectors() async throws {
        let (server, client) = (try self.key(1), try self.key(2))
        #expect(PeerIDAuth.encode(server.publicKey.protobufEncoded) == "CAESIIqI4910CfGV_VLbLTy6XXLKZwm_HZQSG_N0iAG0D29c")
        #expect(PeerIDAuth.encode(client.publicKey.protobufEncoded) == "CAESIIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU")
        let byClient = PeerIDAuth.clientBytes(challenge: Self.ones, hostname: Self.hostname, serverKey: server.publicKey)
        #expect(
            PeerIDAuth.encode(try await client.sign(byClient))
                == "OrwJPO4buHKJdKXP2av8PFwv3XF_-m5MqndskeVV5UzufYzBCTm7RBaFnBS1sEhuQHZSZPh9RJgN5NmLzrUrBQ==")
        for (challenge, signature) in [
            (Self.threes, "HQ7BJRaSpRhNCORNiALNJENdwXUyq0eM2cxNoxe-XnQw6oEAMaeYnjMYaHHjgq0XNxZmy4W2ngKUcI1CgprLCQ=="),
            (Self.ones, "UA88qZbLUzmAxrD9KECbDCgSKAUBAvBHrOCF2X0uPLR1uUCF7qGfLPc7dw3Olo-LaFCDpk5sXN7TkLWPVvuXAA=="),
        ] {
            let byServer = PeerIDAuth.serverBytes(challenge: challenge, hostname: Self.hostname, clientKey: client.publicKey)
            #expect(PeerIDAuth.encode(try await server.sign(byServer)) == signature)
        }
    }

    private func server(time: @escaping @Sendable () -> Int64 = { 1_000 }) throws -> PeerIDAuthServer {
        PeerIDAuthServer(identity: try self.key(1), secret: Array(repeating: 0, count: 32), time: time) { Self.ones }
    }

    @Test("Who begins, both know each other in the end, and a token is enough from then on", arguments: [true, false])
    func exchange(clientBegins: Bool) async throws {
        let server = try self.server()
        var client = PeerIDAuthClient(identity: try self.key(2), hostname: Self.hostname, challenge: Self.threes)
        let first = clientBegins ? client.authorization : nil
        guard case .challenge(let challenge) = try await server.answer(authorization: first, hostname: Self.hostname) else {
            Issue.record("no challenge")
            return
        }
        #expect(challenge.contains("sig=") == clientBegins)
        guard case .authorize(let proof) = try await client.challenged(challenge),
            case .peer(let peer, let info?) = try await server.answer(authorization: proof, hostname: Self.hostname)
        else {
            Issue.record("no proof")
            return
        }
        #expect(peer == PeerID(try self.key(2).publicKey))
        #expect(client.accepted(info) == .authenticated(PeerID(try self.key(1).publicKey)))
        #expect(client.authorization.contains("bearer="))
        #expect(try await server.answer(authorization: client.authorization, hostname: Self.hostname) == .peer(peer, nil))
        // A token of another name is none.
        guard case .challenge = try await server.answer(authorization: client.authorization, hostname: "other.example") else {
            Issue.record("a token of another name was taken")
            return
        }
    }

    @Test("A wrong signature is refused, an old challenge or a forged one is asked again")
    func refusals() async throws {
        let server = try self.server()
        var client = PeerIDAuthClient(identity: try self.key(2), hostname: "other.example", challenge: Self.threes)
        guard case .challenge(let challenge) = try await server.answer(authorization: nil, hostname: Self.hostname),
            case .authorize(let proof) = try await client.challenged(challenge)
        else { return }
        #expect(try await server.answer(authorization: proof, hostname: Self.hostname) == .refused("the signature is wrong"))
        let late = try self.server { 1_301 }
        guard case .challenge = try await late.answer(authorization: proof, hostname: Self.hostname) else {
            Issue.record("an old challenge was taken")
            return
        }
        let forged = proof.replacing("opaque=\"", with: "opaque=\"AA")
        guard case .challenge = try await server.answer(authorization: forged, hostname: Self.hostname) else {
            Issue.record("a forged challenge was taken")
            return
        }
        #expect(
            try await server.answer(authorization: "Basic abc", hostname: Self.hostname)
                == .refused("the Authorization field can't be read"))
    }

    @Test("A client does not take a server that signs for somebody else")
    func wrongServer() async throws {
        let server = try self.server()
        var client = PeerIDAuthClient(identity: try self.key(2), hostname: Self.hostname, challenge: Self.threes)
        guard case .challenge(let challenge) = try await server.answer(authorization: client.authorization, hostname: Self.hostname) else {
            return
        }
        var forged = try #require(PeerIDAuthParameters(challenge)).values
        forged["public-key"] = PeerIDAuth.encode(try self.key(3).publicKey.protobufEncoded)
        #expect(try await client.challenged(PeerIDAuthParameters(forged).text) == .failed("the server's signature is wrong"))
    }

    @Test("Parameters are separated by commas, spaces or both; what is long or broken is not read")
    func parameters() {
        let read = PeerIDAuthParameters("libp2p-PeerID a=\"1\" b=\"2\",c=\"3\" , d=\"\", Basic realm=\"x\"")
        #expect(read?.values["c"] == "3" && read?.values["d"] == "")
        for broken in [
            "libp2p-PeerID", "libp2p-PeerID a=1", "libp2p-PeerID a=\"1", "libp2p-PeerIDx a=\"1\"", "libp2p-PeerID a=\"1\" a=\"2\"",
            "Basic a=\"1\"",
        ] {
            #expect(PeerIDAuthParameters(broken) == nil)
        }
        #expect(PeerIDAuthParameters("libp2p-PeerID a=\"\(String(repeating: "x", count: 2_100))\"") == nil)
        #expect(PeerIDAuth.decode("AQI") == [1, 2] && PeerIDAuth.decode("AQI=") == [1, 2])
    }
}
