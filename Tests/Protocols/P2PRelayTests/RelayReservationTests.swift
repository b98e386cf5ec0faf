import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtocolTesting
import Testing

@testable import P2PRelay

@Suite("A relay's answer to who asks for a place")
struct RelayReservationTests {
    private let now = WallTime(secondsSince1970: 1_800_000_000)
    private let relayKey: PrivateKey
    private let ownKey: PrivateKey
    private let connection: ConnectionInfo
    private let asked: Multiaddr

    init() throws {
        self.relayKey = try PrivateKey.generate(.ed25519)
        self.ownKey = try PrivateKey.generate(.ed25519)
        self.connection = ConnectionInfo(
            role: .dialer, localPeer: PeerID(self.ownKey.publicKey), remotePeer: PeerID(self.relayKey.publicKey),
            remoteKey: self.relayKey.publicKey, localAddress: Multiaddr("/ip4/45.33.0.2/tcp/5"),
            remoteAddress: Multiaddr("/ip4/45.33.0.1/tcp/4001"), security: "/noise", muxer: "/yamux/1.0.0")
        self.asked = Multiaddr("/ip4/45.33.0.1/tcp/4001")
    }

    private var relay: PeerID { self.connection.remotePeer }

    private func read(
        _ expire: UInt64? = 1_800_003_600, addresses: [String] = [], voucher: [UInt8]? = nil, limit: CircuitLimit? = nil
    ) throws -> RelayReservation {
        let bytes = try addresses.map { try Multiaddr($0).bytes }
        var reservation = WireReservation(expire: 0, addresses: bytes, voucher: voucher)
        reservation.expire = expire
        return try self.read(HopMessage(.status, reservation: reservation, limit: limit, status: .ok))
    }

    private func read(_ message: HopMessage) throws(RelayError) -> RelayReservation {
        try RelayReservation(message, at: self.asked, on: self.connection, wall: self.now)
    }

    private func voucher(of relay: PeerID? = nil, for peer: PeerID? = nil, signedBy key: PrivateKey? = nil) async throws -> [UInt8] {
        let voucher = RelayVoucher(
            relay: relay ?? self.relay, peer: peer ?? self.connection.localPeer, expiration: 1_800_003_600)
        return try await voucher.sealed(with: key ?? self.relayKey)
    }

    @Test("A place lasts as long as the relay says, at most a day")
    func life() throws {
        #expect(try self.read().life == .hours(1))
        #expect(try self.read(1_800_000_001).life == .seconds(1))
        #expect(try self.read(.max).life == .hours(24))
        #expect(try self.read(.max).expiration == 1_800_086_400)
    }

    @Test(
        "A place that is over, or of which nobody says how long it lasts, is none",
        arguments: [0, 1_799_999_999, 1_800_000_000] as [UInt64])
    func expired(_ expire: UInt64) {
        #expect(throws: RelayError(.expired, "")) { try self.read(expire) }
        #expect(throws: RelayError(.unexpected, "")) { try self.read(nil) }
        #expect(throws: RelayError(.unexpected, "")) { try self.read(HopMessage(.status, status: .ok)) }
        #expect(throws: RelayError(.unexpected, "")) { try self.read(HopMessage(.reserve)) }
    }

    @Test("A voucher is checked where there is one")
    func vouchers() async throws {
        #expect(try self.read(voucher: try await self.voucher()).hasVoucher)
        #expect(try !self.read().hasVoucher)
        #expect(try !self.read(voucher: []).hasVoucher)
        let stranger = try PrivateKey.generate(.ed25519)
        let wrong = [
            try await self.voucher(for: PeerID(stranger.publicKey)),
            try await self.voucher(of: PeerID(stranger.publicKey), signedBy: stranger),
            try await self.voucher(signedBy: stranger), [1, 2, 3],
        ]
        for voucher in wrong { #expect(throws: RelayError(.wrongVoucher, "")) { try self.read(voucher: voucher) } }
        var altered = try await self.voucher()
        altered[altered.count - 1] ^= 1
        #expect(throws: RelayError(.wrongVoucher, "")) { try self.read(voucher: altered) }
    }

    @Test("Of the relay's addresses those are announced that are its own and mean it for others")
    func addresses() throws {
        let stranger = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let reservation = try self.read(addresses: [
            "/ip4/45.33.0.1/udp/4001/quic-v1/p2p/\(self.relay)", "/ip4/45.33.0.1/tcp/4001", "/dns4/relay.example.org/tcp/443/wss",
            "/ip4/45.33.0.9/tcp/1/p2p/\(stranger)", "/ip4/192.168.1.1/tcp/4001", "/ip4/127.0.0.1/tcp/4001", "/dns4/localhost/tcp/1",
            "/ip4/45.33.0.9/tcp/1/p2p/\(stranger)/p2p-circuit",
        ])
        #expect(
            try reservation.addresses == [
                Multiaddr("/ip4/45.33.0.1/tcp/4001/p2p/\(self.relay)/p2p-circuit"),
                Multiaddr("/ip4/45.33.0.1/udp/4001/quic-v1/p2p/\(self.relay)/p2p-circuit"),
                Multiaddr("/dns4/relay.example.org/tcp/443/wss/p2p/\(self.relay)/p2p-circuit"),
            ])
    }

    @Test("Of very many addresses a few are announced")
    func manyAddresses() throws {
        let many = (1...500).map { "/ip4/45.33.1.1/tcp/\($0)" }
        #expect(try self.read(addresses: many).addresses.count == RelayReservation.addressLimit)
    }

    @Test("A relay that says no is asked later, and one that does not want to, much later")
    func refusals() throws {
        func failure(_ status: RelayStatus) throws -> ReservationSchedule.Failure? {
            do throws(RelayError) {
                _ = try self.read(HopMessage(.status, status: status))
                return nil
            } catch {
                #expect(error.message.contains("\(status)") && error.message.contains("\(self.relay)"))
                return error.failure
            }
        }
        #expect(try failure(.reservationRefused) == .refused)
        #expect(try failure(.resourceLimitExceeded) == .refused)
        #expect(try failure(.permissionDenied) == .denied)
        #expect(try failure(RelayStatus(rawValue: 299)) == .refused)
    }
}
