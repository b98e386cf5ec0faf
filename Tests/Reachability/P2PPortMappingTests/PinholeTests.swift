import NIOCore
import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PPortMapping

@Suite("Ports of IPv6 addresses that a router's firewall lets packets in at")
struct PinholeTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test("The default route is the one with the lowest metric that leads to a router")
    func route() throws {
        let table = """
            26000077000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000002 00000800 00000001 00000000 00000003    wlan0
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
            """
        let route = try #require(DefaultRoute(tableIPv6: table))
        #expect(route == DefaultRoute(interface: "eth0", gateway: try Self.ip("fe80::1")))
        #expect(DefaultRoute(tableIPv6: "") == nil)
        #expect(DefaultRoute(tableIPv6: "0 00 x 00 fe80 zz") == nil)
    }

    private static func networks(_ addresses: [String]) throws -> LocalNetworks {
        LocalNetworks([
            LocalNetworks.Link(
                name: "eth0", index: 3, prefixes: try addresses.map { InterfaceAddress(address: try Self.ip($0), length: 64) })
        ])
    }

    @Test("One address of the internet's is opened, and a link-local router is told by its interface")
    func network() throws {
        let networks = try Self.networks(["fe80::5", "fd00::5", "2600:77::5", "2600:77::6"])
        let route = DefaultRoute(interface: "eth0", gateway: try Self.ip("fe80::1"))
        let network = try #require(MappingNetwork(pinhole: route, in: networks))
        #expect(network.client == (try Self.ip("2600:77::5")) && network.scope == 3)
        let ports = network.ports(of: ["/ip6/2600:77::5/tcp/4001", "/ip6/2600:77::6/tcp/4002", "/ip4/192.168.1.7/tcp/4003"], only: nil)
        #expect(ports == [LocalPort(.tcp, 4001)])
        #expect(MappingNetwork(pinhole: route, in: try Self.networks(["fe80::5", "fd00::5"])) == nil)
        #expect(MappingNetwork(pinhole: nil, in: networks) == nil)
    }

    @Test("The router is asked by PCP alone, from the address that is to be opened")
    func asking() throws {
        let client = try Self.ip("2600:77::5")
        let network = MappingNetwork(
            interface: "eth0", client: client, network: IPNetwork(client, prefixLength: 64), gateway: try Self.ip("fe80::1"))
        var mapper = PortMapper(seed: 5) { [UInt8](repeating: 4, count: PCPMessage.nonceLength) }
        mapper.use(network, [LocalPort(.tcp, 4001)], at: Self.start)
        var sent: [[UInt8]] = []
        var now = Self.start
        while now < Self.start + .seconds(3) {
            for action in mapper.poll(at: now) {
                switch action {
                case .begin: break
                case .datagram(let bytes): sent.append(bytes)
                case .search, .request: Issue.record("UPnP over IPv6")
                }
            }
            now = now + .milliseconds(100)
        }
        #expect(sent.count == 2 && sent.allSatisfy { Array($0[8..<24]) == client.bytes && $0[0] == PCPMessage.version })
        var answer: [UInt8] = [2, 0x81, 0, 0, 0, 0, 0x1c, 0x20, 0, 0, 0, 9] + [UInt8](repeating: 0, count: 12)
        answer += [UInt8](repeating: 4, count: PCPMessage.nonceLength) + [6, 0, 0, 0, 0x0f, 0xa1, 0x0f, 0xa1] + client.bytes
        mapper.received(answer, round: mapper.round, at: now)
        _ = mapper.poll(at: now)
        #expect(mapper.status.phase == .mapped && mapper.status.mappings.first?.externalAddress == client)
        mapper.close(at: now)
        #expect(mapper.poll(at: now).count == 1 && mapper.isClosed, "closed again")
    }
}
