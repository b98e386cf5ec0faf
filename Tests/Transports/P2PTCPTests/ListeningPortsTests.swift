import NIOCore
import Testing

@testable import P2PTCP

@Suite("From where the internet's addresses are dialled")
struct ListeningPortsTests {
    private static func remote(_ number: Int, port: Int = 4001) throws -> SocketAddress {
        try SocketAddress(ipAddress: "45.\(number / 250).\(number % 250).1", port: port)
    }

    @Test("From the port that listens, but for one host in three, to which it stays unknown however often it is dialled")
    func hosts() throws {
        let ports = ListeningPorts()
        #expect(ports.local(for: try Self.remote(0)) == nil, "nothing listens")
        let own = try SocketAddress(ipAddress: "0.0.0.0", port: 4001)
        ports.add(own)
        for _ in 0..<2 {
            let locals = try (0..<9).map { ports.local(for: try Self.remote($0, port: .random(in: 1...65_535))) }
            #expect(locals == [own, own, nil, own, own, nil, own, own, nil])
        }
        ports.remove(own)
        #expect(ports.local(for: try Self.remote(0)) == nil)
    }

    @Test(
        "Beyond the hosts that are remembered about one in three stays a stranger, too, always the same ones",
        arguments: [0, 1, .max] as [UInt64])
    func manyHosts(seed: UInt64) throws {
        let ports = ListeningPorts(seed: seed)
        let own = try SocketAddress(ipAddress: "0.0.0.0", port: 4001)
        ports.add(own)
        for number in 0..<ListeningPorts.hostLimit { _ = ports.local(for: try Self.remote(number)) }
        let others = ListeningPorts.hostLimit..<ListeningPorts.hostLimit + 3_000
        let first = try others.map { ports.local(for: try Self.remote($0)) }
        let strangers = first.count { $0 == nil }
        #expect((800...1_200).contains(strangers))
        #expect(first.allSatisfy { $0 == nil || $0 == own })
        let again = try others.map { ports.local(for: try Self.remote($0, port: 9)) }
        #expect(again == first)
        #expect(ports.local(for: try Self.remote(2)) == nil)
    }

    @Test("No NAT leads to this machine, or to its own network")
    func near() throws {
        let ports = ListeningPorts()
        ports.add(try SocketAddress(ipAddress: "0.0.0.0", port: 4001))
        for ip in ["127.0.0.1", "192.168.1.7", "10.0.0.1"] { #expect(ports.local(for: try SocketAddress(ipAddress: ip, port: 1)) == nil) }
    }
}
