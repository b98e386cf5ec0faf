import Crypto
import P2PCore
import P2PVectors
import Testing

@testable import P2PNoise

/// The XX handshake as a machine of its own.
@Suite struct NoiseHandshakeTests {
    struct File: Decodable {
        struct Vector: Decodable {
            struct Message: Decodable {
                var payload, ciphertext: HexBytes
            }
            var protocol_name, name: String?
            var init_prologue, init_static, init_ephemeral, resp_prologue, resp_static, resp_ephemeral, handshake_hash: HexBytes?
            var messages: [Message]
        }
        var vectors: [Vector]
    }

    @Test(
        "The public vectors come out byte for byte", .enabled(if: Vectors.exist("noise"), "\(Vectors.areAbsent)"),
        arguments: ["cacophony", "snow", "noise-c-basic"])
    func vectors(file: String) throws {
        let all = try Vectors.json(File.self, "noise/\(file).txt").vectors
        let ours = all.filter { ($0.protocol_name ?? $0.name) == SymmetricState.protocolName }
        #expect(ours.count == 1)
        for vector in ours {
            var initiator = NoiseHandshake(
                role: .initiator, localStatic: try key(vector.init_static), prologue: try #require(vector.init_prologue).bytes,
                ephemeral: try key(vector.init_ephemeral))
            var responder = NoiseHandshake(
                role: .responder, localStatic: try key(vector.resp_static), prologue: try #require(vector.resp_prologue).bytes,
                ephemeral: try key(vector.resp_ephemeral))
            for (index, message) in vector.messages.prefix(3).enumerated() {
                let written: [UInt8]
                let read: [UInt8]
                if index.isMultiple(of: 2) {
                    written = try initiator.write(payload: message.payload.bytes)
                    read = try responder.read(written)
                } else {
                    written = try responder.write(payload: message.payload.bytes)
                    read = try initiator.read(written)
                }
                #expect(written == message.ciphertext.bytes, "message \(index + 1)")
                #expect(read == message.payload.bytes, "payload \(index + 1)")
            }
            let first = try initiator.finish()
            let second = try responder.finish()
            if let hash = vector.handshake_hash {
                #expect(first.handshakeHash == hash.bytes)
                #expect(second.handshakeHash == hash.bytes)
            }
            #expect(second.remoteStatic == (try key(vector.init_static).publicKey))
            #expect(first.remoteStatic == (try key(vector.resp_static).publicKey))
            var initiatorSends = try CipherState(key: first.sending)
            var responderReceives = try CipherState(key: second.receiving)
            var responderSends = try CipherState(key: second.sending)
            var initiatorReceives = try CipherState(key: first.receiving)
            #expect(vector.messages.count > 3)
            for (index, message) in vector.messages.enumerated().dropFirst(3) {
                var sealed: [UInt8] = []
                let opened: [UInt8]?
                if index.isMultiple(of: 2) {
                    try initiatorSends.seal(message.payload.bytes, authenticating: [], to: &sealed)
                    opened = try responderReceives.open(sealed[...], authenticating: [])
                } else {
                    try responderSends.seal(message.payload.bytes, authenticating: [], to: &sealed)
                    opened = try initiatorReceives.open(sealed[...], authenticating: [])
                }
                #expect(sealed == message.ciphertext.bytes, "message \(index + 1)")
                #expect(opened == message.payload.bytes, "payload \(index + 1)")
            }
        }
    }

    private func key(_ bytes: HexBytes?) throws -> DiffieHellmanKey {
        let privateKey = try #require(bytes).bytes
        return try #require(DiffieHellmanKey(privateKey: privateKey))
    }

    /// The low-order points of Curve25519 and their encodings that aren't reduced.
    static let lowOrderPoints: [[UInt8]] = {
        let zero = [UInt8](repeating: 0, count: 32)
        let one = [1] + [UInt8](repeating: 0, count: 31)
        let eight: [UInt8] = [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
            0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
        ]
        let alsoEight: [UInt8] = [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
            0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
        ]
        let nearPrime = [0xec, 0xed, 0xee].map { [$0] + [UInt8](repeating: 0xff, count: 30) + [0x7f] }
        return [zero, one, eight, alsoEight] + nearPrime
    }()

    @Test("A low-order ephemeral key is refused by both sides", arguments: lowOrderPoints)
    func lowOrderEphemeral(point: [UInt8]) throws {
        var responder = NoiseHandshake(role: .responder, localStatic: DiffieHellmanKey())
        _ = try responder.read(point)
        let fromResponder = failure { () throws(NoiseError) in try responder.write(payload: []) }
        #expect(fromResponder?.code == .lowOrderKey)

        var initiator = NoiseHandshake(role: .initiator, localStatic: DiffieHellmanKey())
        _ = try initiator.write(payload: [])
        let fromInitiator = failure { () throws(NoiseError) in try initiator.read(point + [UInt8](repeating: 0, count: 64)) }
        #expect(fromInitiator?.code == .lowOrderKey)
    }

    @Test("A message cut at any byte is refused with its reason, and the machine is done for")
    func cut() throws {
        for length in 0..<(32 + 48 + 16) {
            var initiator = NoiseHandshake(role: .initiator, localStatic: DiffieHellmanKey())
            var responder = NoiseHandshake(role: .responder, localStatic: DiffieHellmanKey())
            let first = try initiator.write(payload: [])
            if length < 32 {
                #expect(failure { () throws(NoiseError) in try responder.read(Array(first.prefix(length))) }?.code == .messageTooShort)
                #expect(failure { () throws(NoiseError) in try responder.read(first) }?.code == .outOfTurn)
                continue
            }
            _ = try responder.read(first)
            let second = try responder.write(payload: [])
            let error = failure { () throws(NoiseError) in try initiator.read(Array(second.prefix(length))) }
            #expect(error?.code == .messageTooShort)
            #expect(error?.message == "handshake message 2 ends before its keys and tags do")
            #expect(failure { () throws(NoiseError) in try initiator.read(second) }?.code == .outOfTurn)
        }
    }

    @Test("Every flipped bit of the second and third message is noticed")
    func flipped() throws {
        let statics = (DiffieHellmanKey(), DiffieHellmanKey())
        let ephemerals = (DiffieHellmanKey(), DiffieHellmanKey())
        for bit in 0..<(8 * (96 + 3)) {
            var initiator = NoiseHandshake(role: .initiator, localStatic: statics.0, ephemeral: ephemerals.0)
            var responder = NoiseHandshake(role: .responder, localStatic: statics.1, ephemeral: ephemerals.1)
            _ = try responder.read(try initiator.write(payload: []))
            var message = try responder.write(payload: [1, 2, 3])
            message[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(failure { () throws(NoiseError) in try initiator.read(message) }?.code == .authenticationFailed, "bit \(bit)")
        }
        for bit in 0..<(8 * (64 + 3)) {
            var initiator = NoiseHandshake(role: .initiator, localStatic: statics.0, ephemeral: ephemerals.0)
            var responder = NoiseHandshake(role: .responder, localStatic: statics.1, ephemeral: ephemerals.1)
            _ = try responder.read(try initiator.write(payload: []))
            _ = try initiator.read(try responder.write(payload: []))
            var message = try initiator.write(payload: [1, 2, 3])
            message[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(failure { () throws(NoiseError) in try responder.read(message) }?.code == .authenticationFailed, "bit \(bit)")
        }
    }

    @Test("Different prologues, a changed first payload or an altered top bit of a key don't agree")
    func transcript() throws {
        var initiator = NoiseHandshake(role: .initiator, localStatic: DiffieHellmanKey(), prologue: [1])
        var responder = NoiseHandshake(role: .responder, localStatic: DiffieHellmanKey(), prologue: [2])
        _ = try responder.read(try initiator.write(payload: []))
        let second = try responder.write(payload: [])
        #expect(failure { () throws(NoiseError) in try initiator.read(second) }?.code == .authenticationFailed)

        for change in [(31, UInt8(0x80)), (32, UInt8(1))] {
            var initiator = NoiseHandshake(role: .initiator, localStatic: DiffieHellmanKey())
            var responder = NoiseHandshake(role: .responder, localStatic: DiffieHellmanKey())
            var first = try initiator.write(payload: [7])
            first[change.0] ^= change.1
            _ = try responder.read(first)
            let second = try responder.write(payload: [])
            #expect(failure { () throws(NoiseError) in try initiator.read(second) }?.code == .authenticationFailed)
        }
    }

    @Test("Nobody may speak out of turn, or finish early")
    func turns() throws {
        var initiator = NoiseHandshake(role: .initiator, localStatic: DiffieHellmanKey())
        var responder = NoiseHandshake(role: .responder, localStatic: DiffieHellmanKey())
        let turns = (initiator.isOurTurn, responder.isOurTurn, initiator.isFinished)
        #expect(turns == (true, false, false))
        #expect(failure { () throws(NoiseError) in try initiator.read([]) }?.code == .outOfTurn)
        #expect(failure { () throws(NoiseError) in try responder.write(payload: []) }?.code == .outOfTurn)
        do throws(NoiseError) {
            _ = try initiator.finish()
            Issue.record("a handshake that never began was finished")
        } catch {
            #expect(error.code == .outOfTurn)
        }
    }

    @Test("A payload that doesn't fit into a message of 65,535 bytes is an error, one that just fits is not")
    func payloadLimit() throws {
        var fits = NoiseHandshake(role: .initiator, localStatic: DiffieHellmanKey())
        #expect(try fits.write(payload: [UInt8](repeating: 0, count: 65_535 - 32)).count == 65_535)
        var doesNot = NoiseHandshake(role: .initiator, localStatic: DiffieHellmanKey())
        let error = failure { () throws(NoiseError) in try doesNot.write(payload: [UInt8](repeating: 0, count: 65_536 - 32)) }
        #expect(error?.code == .messageTooLong)
    }

    @Test("The last nonce is used, the reserved one never")
    func nonceLimit() throws {
        let key = SymmetricKey(size: .bits256)
        var sending = try CipherState(key: key, nextNonce: .max - 1)
        var receiving = try CipherState(key: key, nextNonce: .max - 1)
        var sealed: [UInt8] = []
        try sending.seal([1], authenticating: [], to: &sealed)
        #expect(try receiving.open(sealed[...], authenticating: []) == [1])
        #expect(failure { () throws(NoiseError) in _ = try sending.spendNonce() }?.code == .nonceExhausted)
        #expect(failure { () throws(NoiseError) in _ = try receiving.spendNonce() }?.code == .nonceExhausted)
        #expect(failure { () throws(NoiseError) in _ = try sending.spendNonce() }?.code == .nonceExhausted)
    }
}

/// The error that `body` throws; nil when it doesn't.
func failure<R>(_ body: () throws(NoiseError) -> R) -> NoiseError? {
    do throws(NoiseError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}
