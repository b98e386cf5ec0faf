import P2PCore
import P2PMultiaddr
import P2PRelay

/// Messages of relays and of punches: what is read is written and read again as the same, and what is dialled for a stranger is bounded.
enum RelayFuzzing {
    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let kind = input.byte()
        let message = input.remainder()
        switch kind % 3 {
        case 0:
            guard let hop = try? HopMessage(message) else { return }
            precondition((try? HopMessage(hop.encoded)) == hop)
        case 1:
            guard let stop = try? StopMessage(message) else { return }
            precondition((try? StopMessage(stop.encoded)) == stop)
        default:
            guard let punch = try? PunchMessage(message) else { return }
            precondition((try? PunchMessage(punch.encoded)) == punch)
            let dialled = PunchAddresses.dialled(punch.addresses, of: FuzzIdentity.peer, except: [])
            precondition(dialled.count <= PunchAddresses.limit && Set(dialled).count == dialled.count)
            precondition(Set(dialled.map(\.ipAddress)).count <= PunchAddresses.hostLimit)
            precondition(dialled.allSatisfy { $0.ipAddress?.reach == .internet && !$0.isRelayed && $0.peerID == nil })
        }
    }
}
