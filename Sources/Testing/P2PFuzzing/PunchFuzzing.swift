import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PRelay

/// The bounds of hole punching.
enum PunchFuzzing {
    /// What was begun of a peer's.
    private struct Peer {
        var isUnderWay = false
        /// Within the period that began with the first of them.
        var began: NIODeadline?
        var attempts = 0
        var plainDials = 0
    }

    /// Punches and plain dials of peers that come with any addresses, end and clash as the bytes say: no bound is passed for a peer, for all peers or
    /// for a target, and a number of an attempt comes once.
    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var ledger = PunchLedger()
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        var peers = [Peer](repeating: Peer(), count: RelayFuzzing.peers.count)
        var plain = 0
        var dials: [String: [NIODeadline]] = [:]
        while !input.isEmpty {
            let operation = input.byte()
            let number = Int(operation >> 3) % peers.count
            let peer = RelayFuzzing.peers[number]
            for index in peers.indices where !peers[index].isUnderWay && peers[index].began.map({ now - $0 >= PunchLedger.period }) ?? false
            {
                peers[index] = Peer()
            }
            switch operation % 8 {
            case 0, 1:
                guard let attempt = ledger.begin(peer, at: now) else {
                    precondition(
                        peers[number].isUnderWay || peers[number].attempts == PunchLedger.attempts
                            || peers.count(where: \.isUnderWay) == PunchLedger.concurrent, "a punch is refused that there may be")
                    continue
                }
                precondition(!peers[number].isUnderWay && attempt == peers[number].attempts + 1 && attempt <= PunchLedger.attempts)
                peers[number].isUnderWay = true
                peers[number].attempts += 1
                peers[number].began = peers[number].began ?? now
            case 2:
                let counts = input.byte() % 4 > 0
                if peers[number].isUnderWay, !counts { peers[number].attempts -= 1 }
                peers[number].isUnderWay = false
                ledger.end(peer, counts: counts)
            case 3:
                let before = ledger.clashes(with: peer)
                ledger.clashed(with: peer)
                precondition((0...1).contains(ledger.clashes(with: peer) - before))
            case 4:
                guard ledger.beginPlainDial(peer, at: now) else { continue }
                plain += 1
                peers[number].plainDials += 1
                peers[number].began = peers[number].began ?? now
                precondition(peers[number].plainDials <= PunchLedger.plainDials && plain <= PunchLedger.concurrentPlainDials)
            case 5:
                guard plain > 0 else { continue }
                plain -= 1
                ledger.endPlainDial()
            case 6:
                // A few hosts under many names.
                let told = (0..<(1 + input.number(below: 6))).map { _ in Self.address(&input) }
                let targets = PunchAddresses.dialled(told, of: peer, except: [])
                precondition(targets.count <= PunchAddresses.limit)
                let allowed = ledger.allowed(targets, at: now)
                precondition(Set(allowed).isSubset(of: targets))
                for host in Set(allowed.compactMap { $0.ipAddress.map { "\($0)" } }) {
                    dials[host, default: []].append(now)
                    // A period begins with its first dial, so that two of them may meet.
                    let recent = dials[host, default: []].count { now - $0 < PunchLedger.period }
                    precondition(recent <= 2 * PunchLedger.dialsPerTarget, "\(host) is dialled \(recent) times")
                }
            default: now = now + .milliseconds(Int64(input.short()) * 10)
            }
            precondition(ledger.underWay == peers.count(where: \.isUnderWay) && ledger.underWay <= PunchLedger.concurrent)
        }
        for (number, peer) in RelayFuzzing.peers.enumerated() where peers[number].isUnderWay { ledger.end(peer) }
        precondition(ledger.underWay == 0)
    }

    private static func address(_ input: inout FuzzInput) -> Multiaddr {
        let choice = input.byte()
        let ip = IPAddress(v4: [0x2d21_0001, 0x2d21_0002, 0x2d22_0001, 0x0a00_0001, 0x7f00_0001, 0xe000_0001][Int(choice) % 6])
        return choice & 0x80 == 0 ? Multiaddr(ip: ip, tcp: UInt16(input.short())) : Multiaddr(ip: ip, udp: UInt16(input.short()))
    }
}
