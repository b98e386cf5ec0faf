import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PRelay

@Suite("Messages of relays")
struct RelayMessageTests {
    private let peer: PeerID

    init() throws { self.peer = PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    @Test("A type of zero is written, as its presence is asked for")
    func zeroType() throws {
        #expect(HopMessage(.reserve).encoded == [0x08, 0x00])
        #expect(StopMessage(.status, status: .ok).encoded == [0x08, 0x01, 0x20, 100])
        #expect(Array(StopMessage(.connect, peer: self.peer).encoded.prefix(2)) == [0x08, 0x00])
        #expect(HopMessage(.reserve).encoded.framed.readableBytesView.elementsEqual([2, 0x08, 0x00]))
    }

    @Test("What is written is read back")
    func roundTrip() throws {
        let reservation = WireReservation(expire: 1_800_000_000, addresses: [[4, 1, 2, 3, 4]], voucher: [9, 9])
        let hop = HopMessage(
            .status, peer: self.peer, reservation: reservation, limit: CircuitLimit(duration: .seconds(120), data: 131_072),
            status: .noReservation)
        #expect(try HopMessage(hop.encoded) == hop)
        let stop = StopMessage(.connect, peer: self.peer, limit: CircuitLimit(data: 5), status: .ok)
        #expect(try StopMessage(stop.encoded) == stop)
    }

    @Test("A limit of zeros is no limit, and still makes a connection a limited one")
    func zeroLimit() throws {
        let message = HopMessage(.status, limit: CircuitLimit(), status: .ok)
        #expect(message.encoded.contains(0x22))
        #expect(try HopMessage(message.encoded).limit == CircuitLimit())
        #expect(try HopMessage(HopMessage(.status, status: .ok).encoded).limit == nil)
    }

    @Test(
        "Bytes that are no message are refused",
        arguments: [
            [], [0x08], [0x08, 0x80], [0x12, 0x7f, 0x01], [0x0b], [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            [0x28, 0x64],
            // A circuit's time beyond 32 bits.
            [0x08, 0x02, 0x22, 0x06, 0x08, 0x80, 0x80, 0x80, 0x80, 0x10],
        ] as [[UInt8]])
    func malformed(_ bytes: [UInt8]) {
        #expect(throws: RelayError(.malformed, "")) { try HopMessage(bytes) }
        #expect(throws: RelayError(.malformed, "")) { try StopMessage(bytes.count > 3 && bytes[2] == 0x22 ? [] : bytes) }
    }

    @Test("Fields of tomorrow mean nothing, and a type of tomorrow is known as such")
    func unknown() throws {
        let bytes: [UInt8] = [0x08, 0x07, 0x31, 1, 2, 3, 4, 5, 6, 7, 8, 0x3d, 1, 2, 3, 4, 0x42, 1, 0, 0x48, 1]
        #expect(try HopMessage(bytes) == HopMessage(HopMessage.Kind(rawValue: 7)))
    }

    @Test("Of many addresses only so many are kept")
    func manyAddresses() throws {
        let many = WireReservation(expire: 1, addresses: Array(repeating: [1], count: 500), voucher: nil)
        #expect(try WireReservation(ByteBuffer(bytes: many.encoded)).addresses.count == WireReservation.addressLimit)
    }

    @Test("An address of a circuit is one way through one relay")
    func addresses() throws {
        let relay = self.peer
        let target = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let full = try #require(CircuitAddress(Multiaddr("/ip4/1.2.3.4/tcp/4001/p2p/\(relay)/p2p-circuit/p2p/\(target)")))
        #expect(full.relay == relay && full.target == target)
        #expect(try full.relayAddresses == [Multiaddr("/ip4/1.2.3.4/tcp/4001")])
        let bare = try #require(CircuitAddress(Multiaddr("/p2p/\(relay)/p2p-circuit")))
        #expect(bare.relayAddresses.isEmpty && bare.target == nil)
        for wrong in [
            "/p2p-circuit", "/ip4/1.2.3.4/tcp/4001/p2p-circuit", "/p2p/\(relay)/p2p-circuit/p2p-circuit",
            "/p2p/\(relay)/p2p-circuit/p2p/\(target)/p2p-circuit/p2p/\(relay)", "/p2p/\(relay)/p2p-circuit/ip4/1.2.3.4",
            "/p2p/\(target)/p2p/\(relay)/p2p-circuit", "/ip4/1.2.3.4/tcp/1/p2p/\(relay)",
        ] {
            #expect(try CircuitAddress(Multiaddr(wrong)) == nil, "\(wrong)")
        }
        #expect(
            try CircuitAddress.place(at: Multiaddr("/ip4/1.2.3.4/tcp/1/p2p/\(relay)"), of: relay)
                == Multiaddr("/ip4/1.2.3.4/tcp/1/p2p/\(relay)/p2p-circuit"))
    }
}
