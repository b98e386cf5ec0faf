import NIOCore
import P2PCore
import Testing

@testable import P2PQUIC

@Suite("QUIC datagrams by their headers")
struct QUICRouterTests {
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static func long(
        version: UInt32 = 1, type: UInt8 = 0, destination: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8], source: [UInt8] = [9, 9],
        size: Int = 1_200
    ) -> [UInt8] {
        var packet: [UInt8] = [0xc0 | type << 4]
        packet += withUnsafeBytes(of: version.bigEndian) { Array($0) }
        packet += [UInt8(destination.count)] + destination + [UInt8(source.count)] + source
        return packet + [UInt8](repeating: 0, count: max(0, size - packet.count))
    }

    private static func short(_ id: QUICConnectionID, tail: [UInt8]) -> [UInt8] { [0x41] + id.bytes + tail }

    private func decide(
        _ router: inout QUICRouter<Int>, _ packet: [UInt8], isListening: Bool = true, at now: NIODeadline? = nil
    ) -> QUICRouter<Int>.Decision {
        packet.withUnsafeBytes { router.received($0, isListening: isListening, at: now ?? self.now) }
    }

    @Test("A packet goes where its connection id leads, with either header")
    func delivers() {
        var router = QUICRouter<Int>(now: self.now)
        let id = QUICConnectionID(local: 0x0102_0304_0506_0708)
        router.add(id, to: 7)
        guard case .deliver(7) = self.decide(&router, Self.short(id, tail: [0, 0])) else { return #expect(Bool(false), "short header") }
        guard case .deliver(7) = self.decide(&router, Self.long(destination: id.bytes, size: 40)) else {
            return #expect(Bool(false), "long header")
        }
        router.remove(id)
        guard case .drop = self.decide(&router, Self.long(destination: id.bytes, size: 40)) else {
            return #expect(Bool(false), "forgotten")
        }
    }

    @Test("Another destination under the same id takes its place at once")
    func replaces() {
        var router = QUICRouter<Int>(now: self.now)
        let id = QUICConnectionID(local: 5)
        router.add(id, to: 1)
        _ = self.decide(&router, Self.short(id, tail: []))
        router.add(id, to: 2)
        guard case .deliver(2) = self.decide(&router, Self.short(id, tail: [])) else { return #expect(Bool(false)) }
    }

    @Test(
        "A stranger's long header is welcome only as a padded Initial of version 1 with an id of 8 bytes",
        arguments: [
            (1, 0, 8, 1_200, "arrival"), (1, 0, 20, 1_200, "arrival"), (1, 0, 7, 1_200, "drop"), (1, 0, 21, 1_200, "drop"),
            (1, 0, 8, 1_199, "drop"), (1, 1, 8, 1_200, "drop"), (1, 2, 8, 1_200, "drop"), (1, 3, 8, 1_200, "drop"),
            (2, 0, 8, 1_200, "negotiate"), (2, 0, 8, 1_199, "drop"), (0, 0, 8, 1_200, "drop"), (0xff00_001d, 0, 8, 1_200, "negotiate"),
        ] as [(UInt32, UInt8, Int, Int, String)])
    func strangers(version: UInt32, type: UInt8, length: Int, size: Int, expected: String) {
        var router = QUICRouter<Int>(now: self.now)
        let packet = Self.long(version: version, type: type, destination: [UInt8](repeating: 3, count: length), size: size)
        let outcome =
            switch self.decide(&router, packet) {
            case .arrival: "arrival"
            case .negotiateVersion: "negotiate"
            case .drop: "drop"
            default: "something else"
            }
        #expect(outcome == expected)
        guard case .drop = self.decide(&router, packet, isListening: false) else {
            return #expect(Bool(false), "nobody listens")
        }
    }

    @Test("Every prefix of a header is survived")
    func prefixes() {
        var router = QUICRouter<Int>(now: self.now)
        let packet = Self.long(destination: [UInt8](repeating: 1, count: 20), source: [UInt8](repeating: 2, count: 20), size: 1_200)
        for count in 0..<60 {
            guard case .drop = self.decide(&router, Array(packet.prefix(count))) else { return #expect(Bool(false), "\(count) bytes") }
        }
        #expect([UInt8]([0x40]).withUnsafeBytes { QUICPacketHeader($0) } == nil)
        #expect([UInt8]().withUnsafeBytes { QUICPacketHeader($0) } == nil)
    }

    @Test("A packet of a forgotten connection is answered by a shorter reset, and not more than a hundred times a second")
    func resets() {
        var router = QUICRouter<Int>(now: self.now)
        let id = QUICConnectionID(local: 77)
        for size in [1, 12, 13] {
            let packet = Self.short(id, tail: [UInt8](repeating: 0, count: size - 1))
            guard case .sendReset = self.decide(&router, packet) else { continue }
            #expect(packet.count > 21, "a packet of \(packet.count) bytes was answered")
        }
        for _ in 0..<100 {
            let packet = Self.short(id, tail: [UInt8](repeating: 0, count: 30))
            guard case .sendReset(id, let limit) = self.decide(&router, packet) else { return #expect(Bool(false)) }
            #expect(limit < packet.count && limit >= 21)
        }
        let packet = Self.short(id, tail: [UInt8](repeating: 0, count: 100))
        guard case .drop = self.decide(&router, packet) else { return #expect(Bool(false), "the 101st was answered") }
        guard case .sendReset(id, 43) = self.decide(&router, packet, at: self.now + .seconds(1)) else { return #expect(Bool(false)) }
    }

    @Test("A stateless reset of the peer is known by its last sixteen bytes")
    func peerResets() throws {
        var router = QUICRouter<Int>(now: self.now)
        let token = [UInt8](100..<116)
        router.add(try #require(token.withUnsafeBytes { QUICResetToken($0) }), to: 3)
        let packet = Self.short(QUICConnectionID(local: 1), tail: [1, 2, 3, 4, 5] + token)
        guard case .reset(3) = self.decide(&router, packet) else { return #expect(Bool(false)) }
        let changed = Self.short(QUICConnectionID(local: 1), tail: [1, 2, 3, 4, 5] + token.dropLast() + [0])
        guard case .sendReset = self.decide(&router, changed) else { return #expect(Bool(false)) }
        router.remove(try #require(token.withUnsafeBytes { QUICResetToken($0) }))
        guard case .sendReset = self.decide(&router, packet) else { return #expect(Bool(false)) }
    }

    @Test("Version Negotiation returns the ids the other way round and names version 1")
    func versionNegotiation() throws {
        let packet = Self.long(version: 0x1a2a_3a4a, destination: [1, 2, 3, 4, 5, 6, 7, 8], source: [9])
        let header = try #require(packet.withUnsafeBytes { QUICPacketHeader($0) })
        guard case .long(let long) = header.form else { return #expect(Bool(false)) }
        let answer = QUICStatelessPackets.versionNegotiation(answering: long, unused: 0x2a)
        #expect(answer == [0xaa, 0, 0, 0, 0, 1, 9, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1])
    }

    @Test("A stateless reset looks like a packet with a short header and ends with the token")
    func statelessReset() {
        let reset = QUICStatelessPackets.reset(token: [UInt8](0..<16), noise: [0xff, 1, 2, 3, 4])
        #expect(reset.count == 21)
        #expect(reset[0] == 0x7f)
        #expect(Array(reset.suffix(16)) == [UInt8](0..<16))
    }
}

@Suite("Admission of QUIC arrivals")
struct QUICAdmissionTests {
    @Test("Below the threshold everybody is welcome, above it whoever proves the address, and no more than the limit")
    func pressure() {
        var admission = QUICAdmission(validation: .underPressure(handshakes: 2), maximumHandshakes: 4)
        #expect(admission.verdict(on: .none) == .welcome)
        admission.began()
        admission.began()
        #expect(admission.verdict(on: .none) == .retry)
        #expect(admission.verdict(on: .validated) == .welcome)
        admission.began()
        admission.began()
        #expect(admission.verdict(on: .validated) == .refuse(QUICAdmission.connectionRefused))
        #expect(admission.verdict(on: .none) == .retry)
        admission.ended()
        #expect(admission.verdict(on: .validated) == .welcome)
        for _ in 0..<9 { admission.ended() }
        #expect(admission.handshakes == 0)
        #expect(admission.verdict(on: .none) == .welcome)
    }

    @Test("A forged token is refused, pressure or not")
    func forged() {
        let admission = QUICAdmission(validation: .underPressure(handshakes: 64), maximumHandshakes: 256)
        #expect(admission.verdict(on: .forged) == .refuse(QUICAdmission.invalidToken))
    }

    @Test("When asked to, it wants proof from the first client on")
    func always() {
        let admission = QUICAdmission(validation: .always, maximumHandshakes: 4)
        #expect(admission.verdict(on: .none) == .retry)
        #expect(admission.verdict(on: .validated) == .welcome)
    }
}

@Suite("Why a QUIC peer closed")
struct QUICPeerCloseTests {
    @Test("TLS alerts, application codes and transport errors are told apart")
    func codes() {
        #expect(QUICPeerClose(code: 0x178, isApplication: false, reason: "").transportCode == .negotiationFailed)
        #expect(QUICPeerClose(code: 0x12a, isApplication: false, reason: "").transportCode == .securityFailed)
        #expect(QUICPeerClose(code: 2, isApplication: false, reason: "").transportCode == .closed)
        #expect(QUICPeerClose(code: 0x12a, isApplication: true, reason: "").transportCode == .closed)
        #expect(QUICPeerClose(code: .max, isApplication: false, reason: "").description.contains("0xffffffffffffffff"))
    }

    @Test("A peer's own words are cut and stay on one line")
    func quotes() {
        let close = QUICPeerClose(code: 1, isApplication: true, reason: String(repeating: "x\n", count: 500))
        #expect(close.description.count < 128)
        #expect(!close.description.contains("\n"))
    }
}
