import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr

@testable import P2PMDNS

/// A node of the virtual network.
struct Node {
    var machine: MDNSMachine
    let ip: IPAddress
    var found: [DiscoveredPeer] = []
    var refusals: [String] = []
    var sent: [(at: NIODeadline, message: DNSMessage, destination: MDNSSource?)] = []
}

/// Nodes on one link, and time that passes when the test says so: no sockets, no threads.
struct Network {
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    var nodes: [Node] = []
    var now = Self.start
    /// Whether packets get through.
    var isUp = true

    static func link(_ ip: IPAddress, interface: Int = 2, isLoopback: Bool = false) -> MDNSLink {
        MDNSLink(
            id: MDNSLink.ID(interface: interface, isIPv6: ip.isIPv6), name: "eth0", isLoopback: isLoopback,
            prefixes: [MDNSLink.Prefix(address: ip, length: isLoopback ? 8 : 24)])
    }

    static func ip(_ host: UInt32) -> IPAddress { IPAddress(v4: 0x0a00_0000 | host) }

    static func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    /// Adds a node at 10.0.0.x; returns its index.
    mutating func add(_ peer: PeerID?, addresses: [Multiaddr]? = nil, service: String = "_p2p") throws -> Int {
        let host = UInt32(self.nodes.count + 1)
        let ip = Self.ip(host)
        let name = String(repeating: "n", count: 30) + "\(1_000 + host)"
        var machine = MDNSMachine(
            service: try MDNSService(service: service, peerName: name, peer: peer), seed: UInt64(host), at: self.now)
        machine.setAddresses(addresses ?? [Multiaddr(ip: ip, tcp: 4_001)], at: self.now)
        machine.setLinks([Self.link(ip)], at: self.now)
        self.nodes.append(Node(machine: machine, ip: ip))
        return self.nodes.count - 1
    }

    /// Lets time pass; packets arrive at once, at their sender too.
    mutating func run(for amount: TimeAmount) throws {
        let end = self.now + amount
        while true {
            try self.deliver()
            guard let next = self.nodes.compactMap(\.machine.deadline).min(), next <= end else { break }
            self.now = max(self.now, next)
        }
        self.now = end
    }

    private mutating func deliver() throws {
        var isQuiet = false
        while !isQuiet {
            isQuiet = true
            for sender in self.nodes.indices {
                for packet in self.nodes[sender].machine.poll(at: self.now) {
                    isQuiet = false
                    self.nodes[sender].sent.append((self.now, try DNSMessage(packet.bytes), packet.destination))
                    guard self.isUp else { continue }
                    let source = MDNSSource(ip: self.nodes[sender].ip, port: MDNSMachine.port)
                    for receiver in self.nodes.indices
                    where packet.destination == nil || packet.destination?.ip == self.nodes[receiver].ip {
                        self.inject(packet.bytes, from: source, to: receiver)
                    }
                }
            }
        }
    }

    mutating func inject(_ bytes: [UInt8], from source: MDNSSource, to receiver: Int) {
        let link = MDNSLink.ID(interface: 2, isIPv6: false)
        let outcome = self.nodes[receiver].machine.received(bytes, from: source, on: link, at: self.now)
        self.nodes[receiver].found += outcome.discovered
        if let refusal = outcome.refusal { self.nodes[receiver].refusals.append(refusal) }
    }
}
