import NIOCore
import P2PCore
import P2PIdentity
import P2PMDNS
import P2PMultiaddr

/// Local discovery: DNS messages, and packets that a machine gets from its link.
enum MDNSFuzzing {
    /// Whatever is accepted can be written and read back as the same, unless it grows beyond a limit.
    static func message(_ bytes: [UInt8]) {
        guard let message = try? DNSMessage(bytes) else { return }
        guard let written = try? message.encoded() else { return }
        precondition(written.count <= DNSLimits.message)
        guard let reread = try? DNSMessage(written) else {
            preconditionFailure("a message of \(written.count) bytes is refused")
        }
        precondition(reread.questions == message.questions && reread.answers == message.answers, "a message changed")
        precondition(reread.authorities == message.authorities && reread.additionals == message.additionals, "a message changed")
    }

    /// Packets, cut by their lengths, at growing times: a machine keeps to its bounds whatever comes.
    static func machine(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        let own = IPAddress(v4: 0x0a00_0001)
        let id = MDNSLink.ID(interface: 2, isIPv6: false)
        let name = String(repeating: "n", count: 32)
        guard let service = try? MDNSService(service: "_p2p", peerName: name, peer: FuzzIdentity.peer) else {
            preconditionFailure("our own names are refused")
        }
        var machine = MDNSMachine(service: service, seed: 1, at: now)
        machine.setAddresses([Multiaddr(ip: own, tcp: 4_001)], at: now)
        machine.setLinks(
            [MDNSLink(id: id, name: "eth0", isLoopback: false, prefixes: [MDNSLink.Prefix(address: own, length: 24)])], at: now)
        var sent = 0
        let start = now
        while !input.isEmpty {
            let source = MDNSSource(
                ip: IPAddress(v4: 0x0a00_0000 | UInt32(input.byte())), port: input.byte() < 200 ? MDNSMachine.port : 999)
            now = now + .milliseconds(Int64(input.byte()))
            let outcome = machine.received(input.take(input.short() % 600), from: source, on: id, at: now)
            for found in outcome.discovered {
                precondition(!found.addresses.isEmpty && found.addresses.allSatisfy { $0.peerID == nil && !$0.isRelayed && !$0.isLoopback })
            }
            for packet in machine.poll(at: now) {
                sent += 1
                guard (try? DNSMessage(packet.bytes)) != nil else { preconditionFailure("we sent what nobody can read") }
            }
            if let deadline = machine.deadline { precondition(deadline > now, "it has something to do and does not") }
        }
        precondition(sent <= 15 + Int((now - start).nanoseconds / 1_000_000_000) + 1, "more packets than the rate allows")
        _ = machine.goodbyes()
    }

    /// Messages to begin with.
    static let messages: [[UInt8]] = {
        guard let service = try? MDNSService(service: "_p2p", peerName: String(repeating: "m", count: 32), peer: FuzzIdentity.peer) else {
            return []
        }
        let addresses = [Multiaddr(ip: IPAddress(v4: 0x0a00_0002), tcp: 4_001), Multiaddr(ip: .loopbackV6, udp: 9)]
        var query = DNSMessage(isResponse: false)
        query.questions = [DNSQuestion(service.name, .ptr, wantsUnicast: true), DNSQuestion(service.instance, .any)]
        query.answers = [DNSRecord(service.name, timeToLive: 100, .pointer(service.instance))]
        let response = service.response([.instance, .service, .details, .host], announcing: addresses)
        return [query, response].compactMap { try? $0?.encoded() }
    }()

    /// The same as packets for a machine.
    static let packets: [[UInt8]] = Self.messages.map { message in
        [9, 0, 50, UInt8(message.count >> 8), UInt8(message.count & 0xff)] + message + [9, 0, 255, 0, 0]
    }
}
