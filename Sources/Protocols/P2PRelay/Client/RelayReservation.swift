import NIOCore
import P2PCore
public import P2PIdentity
public import P2PMultiaddr

/// A place at a relay: for as long as it lasts, others reach this node through the relay.
public struct RelayReservation: Sendable, Hashable {
    /// Whose place it is at.
    public let relay: PeerID
    /// Where this node is found through it, each `…/p2p/RELAY/p2p-circuit`; the one that was asked for is the first.
    public let addresses: [Multiaddr]
    /// By the relay's clock, in seconds since 1970; asked for anew before.
    public let expiration: Int64
    /// What the relay lets pass over one circuit; nil where it tells none.
    public let limit: CircuitLimit?
    /// Whether the relay has signed for it.
    public let hasVoucher: Bool

    /// Addresses of one relay that are announced.
    static let addressLimit = 8

    /// How long it lasts, by this node's clock.
    let life: TimeAmount

    /// Reads a relay's answer and checks what can be checked.
    ///
    /// - Parameters:
    ///   - connection: the one to the relay, which says what addresses mean there.
    ///   - wall: this node's own clock.
    /// - Throws: `.refused` with the relay's status; `.wrongVoucher`, `.expired`, `.unexpected`.
    init(
        _ answer: HopMessage, at asked: Multiaddr?, on connection: ConnectionInfo, wall: WallTime
    ) throws(RelayError) {
        let relay = connection.remotePeer
        guard answer.kind == .status, let status = answer.status else {
            throw RelayError(.unexpected, "\(relay) answered a request for a place with something else")
        }
        guard status == .ok else { throw RelayError(.refused, "\(relay) has no place: \(status)", cause: RelayRefusal(status)) }
        guard let reservation = answer.reservation, let expire = reservation.expire else {
            throw RelayError(.unexpected, "\(relay) gave a place without saying for how long")
        }
        if let envelope = reservation.voucher, !envelope.isEmpty {
            let voucher = try RelayVoucher.open(envelope)
            guard voucher.relay == relay, voucher.peer == connection.localPeer else {
                throw RelayError(.wrongVoucher, "the voucher of \(relay) is one of \(voucher.relay) for \(voucher.peer)")
            }
            self.hasVoucher = true
        } else {
            self.hasVoucher = false
        }
        let longest = ReservationSchedule.longestLife.nanoseconds / 1_000_000_000
        // What is beyond a day is as good as a day: the relay's clock may be anything.
        let end = min(Int64(clamping: expire), wall.secondsSince1970.addingReportingOverflow(longest).partialValue)
        guard end > wall.secondsSince1970 else {
            throw RelayError(.expired, "\(relay) gave a place that ended before it began: its clock, or this one, is wrong")
        }
        self.relay = relay
        self.expiration = end
        self.life = .seconds(end - wall.secondsSince1970)
        self.limit = answer.limit
        self.addresses = Self.places(at: asked, told: reservation.addresses, on: connection)
    }

    /// Where this node is found: where the relay was asked, and where it says that it is, as far as that is believed.
    private static func places(at asked: Multiaddr?, told: [[UInt8]], on connection: ConnectionInfo) -> [Multiaddr] {
        let relay = connection.remotePeer
        let met = connection.remoteAddress.reach
        var known: [Multiaddr] = []
        func add(_ address: Multiaddr) {
            guard known.count < Self.addressLimit, let place = CircuitAddress.place(at: address, of: relay), !known.contains(place)
            else { return }
            known.append(place)
        }
        add(asked ?? connection.remoteAddress)
        for bytes in told {
            guard let address = try? Multiaddr(bytes: bytes), !address.isRelayed, !address.isEmpty else { continue }
            guard address.peerID == nil || address.peerID == relay else { continue }
            let bare = address.withoutPeerID
            guard bare.peerID == nil, bare.reach == .internet || bare.reach == met || bare.isName else { continue }
            add(bare)
        }
        return known
    }
}

/// The status behind a refusal.
package struct RelayRefusal: Error, Hashable, CustomStringConvertible {
    package let status: RelayStatus

    init(_ status: RelayStatus) { self.status = status }

    package var description: String { "\(self.status)" }
}

extension RelayError {
    /// What it means for whoever asked for a place.
    var failure: ReservationSchedule.Failure {
        guard let refusal = self.cause as? RelayRefusal else { return .unreachable }
        return refusal.status == .permissionDenied ? .denied : .refused
    }
}

extension Multiaddr {
    /// Whether it begins with a name of DNS.
    fileprivate var isName: Bool {
        switch self.components.first?.protocol {
        case .dns?, .dns4?, .dns6?, .dnsaddr?: self.reach == nil
        default: false
        }
    }
}
