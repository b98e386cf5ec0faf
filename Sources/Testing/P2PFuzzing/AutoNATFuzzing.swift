import NIOCore
import P2PAutoNAT
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// AutoNAT's messages, and what a node makes of its servers' words.
enum AutoNATFuzzing {
    /// What is read of a message is written and read again as the same.
    static func message(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let kind = input.byte()
        let message = ByteBuffer(bytes: input.remainder())
        switch kind % 3 {
        case 0:
            guard let read = try? AutoNATv1Message(reading: message) else { return }
            precondition((try? AutoNATv1Message(reading: read.bytes)) == read)
        case 1:
            guard let read = try? AutoNATv2Message(reading: message) else { return }
            // Places of addresses that are none are written as none.
            _ = try? AutoNATv2Message(reading: read.bytes)
        default:
            guard let nonce = try? DialBackMessage.nonce(in: message) else { return }
            precondition((try? DialBackMessage.nonce(in: DialBackMessage.bytes(nonce: nonce))) == nonce)
        }
    }

    static let messages: [[UInt8]] = [
        [0, 8, 0, 18, 14, 10, 12, 10, 2, 1, 2, 18, 6, 4, 45, 33, 0, 1, 6], [0, 8, 1, 26, 4, 8, 100, 18, 0],
        [1, 10, 19, 10, 8, 4, 45, 33, 0, 1, 6, 15, 161, 17, 1, 2, 3, 4, 5, 6, 7, 8], [1, 18, 7, 8, 200, 1, 16, 0, 24, 200, 1],
        [1, 26, 6, 8, 0, 16, 176, 234, 1], [1, 34, 3, 10, 1, 0], [2, 9, 1, 2, 3, 4, 5, 6, 7, 8],
    ]

    /// Servers that come, go and say anything, peers that come in, ports that speak: nobody is asked too often, and one network's word makes no address
    /// reached, nor do those behind a router to which its port has spoken.
    static func tracker(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var tracker = AutoNATTracker()
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var servers: [AutoNATTracker.Server] = []
        var asking: [(probe: AutoNATTracker.Probe, since: NIODeadline)] = []
        // Since when the ports have spoken to whom, without a pause in which a router would forget it.
        var spoken: [Contact: (since: NIODeadline, last: NIODeadline)] = [:]
        func isStranger(_ ip: IPAddress, to address: Multiaddr, at then: NIODeadline) -> Bool {
            guard let waist = ThinWaist(address), let known = spoken[Contact(ip: ip, transport: waist.transport)] else { return true }
            return known.since > then || then - known.last >= .minutes(10)
        }
        let needsStrangers = input.byte() % 2 == 0
        tracker.use(Self.addresses.map { (address: $0, needsStrangers: needsStrangers) }, at: now)
        // Whose word, or visit, said that an address is reached, and whether the port had ever spoken to it.
        var reached: [Multiaddr: [(ip: IPAddress, isStranger: Bool)]] = [:]
        while !input.isEmpty {
            let operation = input.byte()
            let number = Int(operation >> 3)
            let ip = IPAddress(v4: 0x2d21_0001 + UInt32(number % 4) + UInt32(number / 4) << 16)
            let address = Self.addresses[number % Self.addresses.count]
            switch operation % 8 {
            case 0, 1:
                servers.append(
                    AutoNATTracker.Server(
                        peer: RelayFuzzing.peers[number % RelayFuzzing.peers.count], connection: ConnectionID(), ip: ip,
                        speaksVersion2: number % 3 > 0))
                servers = servers.suffix(16)
                tracker.use(servers)
            case 2:
                if !servers.isEmpty { servers.remove(at: number % servers.count) }
                tracker.use(servers)
            case 3:
                let contact = Contact(ip: ip, transport: number % 2 == 0 ? .tcp : .udp)
                tracker.spoke(to: ip, over: contact.transport, at: now)
                let isAcquainted = spoken[contact].map { now - $0.last < .minutes(10) } ?? false
                spoken[contact] = (isAcquainted ? spoken[contact]?.since ?? now : now, now)
            case 4:
                tracker.arrival(from: ip, at: address, now: now)
                reached[address, default: []].append((ip, true))
            case 5, 6:
                for _ in 0..<(1 + number % 4) where !asking.isEmpty {
                    let (probe, since) = asking.remove(at: input.number(below: asking.count))
                    let outcomes: [AutoNATTracker.Outcome] = [.reached(), .notReached("no"), .noAnswer, .reached(visitor: ip)]
                    let outcome = outcomes[input.number(below: 4)]
                    tracker.finished(probe, outcome, at: now)
                    if case .reached(let visitor) = outcome {
                        let witness = visitor ?? probe.server.ip
                        reached[probe.address, default: []].append((witness, isStranger(witness, to: probe.address, at: since)))
                    }
                }
            default: now = now + .milliseconds(Int64(input.short()) * 20)
            }
            for probe in tracker.poll(at: now) {
                precondition(servers.contains(probe.server), "one is asked who is not there")
                asking.append((probe, now))
            }
            precondition(asking.count <= AutoNATTracker.probesAtOnce)
            for server in Set(asking.map(\.probe.server.peer)) {
                precondition(asking.count { $0.probe.server.peer == server } <= 2, "a server is asked too much at once")
            }
            for verdict in tracker.verdicts(at: now) where verdict.state == .reachable {
                guard let address = Self.addresses.first(where: { ThinWaist($0) == verdict.address }) else { continue }
                let witnesses = reached[address, default: []]
                precondition(Set(witnesses.map(\.ip)).count >= 2, "one's word is believed")
                precondition(!needsStrangers || witnesses.contains { $0.isStranger }, "those are believed to which the port has spoken")
            }
        }
    }

    private struct Contact: Hashable {
        let ip: IPAddress
        let transport: ThinWaist.Transport
    }

    private static let addresses: [Multiaddr] = ["/ip4/45.99.0.1/tcp/4001", "/ip4/45.99.0.1/udp/4001/quic-v1"]
}
