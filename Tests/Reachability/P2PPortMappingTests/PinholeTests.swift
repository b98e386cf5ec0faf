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

    @Test("The router is asked by PCP, from the address that is to be opened, and searched for by the group of the link")
    func asking() throws {
        let client = try Self.ip("2600:77::5")
        let network = MappingNetwork(
            interface: "eth0", client: client, network: IPNetwork(client, prefixLength: 64), gateway: try Self.ip("fe80::1"))
        var mapper = PortMapper(seed: 5) { [UInt8](repeating: 4, count: PCPMessage.nonceLength) }
        mapper.use(network, [LocalPort(.tcp, 4001)], at: Self.start)
        var sent: [[UInt8]] = []
        var searches = 0
        var now = Self.start
        while now < Self.start + .seconds(3) {
            for action in mapper.poll(at: now) {
                switch action {
                case .begin: break
                case .datagram(let bytes): sent.append(bytes)
                case .search(let bytes):
                    searches += 1
                    #expect(String(decoding: bytes, as: UTF8.self).contains("HOST: [FF02::C]:1900\r\n"))
                case .request: Issue.record("nobody has answered")
                }
            }
            now = now + .milliseconds(100)
        }
        #expect(searches > 0 && sent.count == 2 && sent.allSatisfy { Array($0[8..<24]) == client.bytes && $0[0] == PCPMessage.version })
        var answer: [UInt8] = [2, 0x81, 0, 0, 0, 0, 0x1c, 0x20, 0, 0, 0, 9] + [UInt8](repeating: 0, count: 12)
        answer += [UInt8](repeating: 4, count: PCPMessage.nonceLength) + [6, 0, 0, 0, 0x0f, 0xa1, 0x0f, 0xa1] + client.bytes
        mapper.received(answer, round: mapper.round, at: now)
        _ = mapper.poll(at: now)
        #expect(mapper.status.phase == .mapped && mapper.status.mappings.first?.externalAddress == client)
        mapper.close(at: now)
        #expect(mapper.poll(at: now).count == 1 && mapper.isClosed, "closed again")
    }
}

@Suite("A firewall that UPnP opens")
struct FirewallTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static let port = LocalPort(.udp, 4001)
    private static let client = IPAddress(v6: 0x2600_0077 << 32, 5)
    private static let router = IPAddress(v6: 0x2600_0077 << 32, 1)
    private static let answer = Array(
        "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\nLOCATION: http://[2600:77::1]:5000/d.xml\r\n\r\n"
            .utf8)

    /// A router whose firewall has numbered pinholes.
    private struct Scene {
        var dialogue = IGDDialogue(
            client: client, network: IPNetwork(client, prefixLength: 64), gateway: router, ports: [port], wished: [:],
            random: MappingRandom(seed: 3), at: start)
        var now = start
        var requests: [(action: String, body: String)] = []
        var pinholes: Set<UInt16> = []
        var status = "<FirewallEnabled>1</FirewallEnabled><InboundPinholeAllowed>1</InboundPinholeAllowed>"
        var faults: [UInt16] = []
        var nextNumber: UInt16 = 7
        var isNumbered = true

        init() { self.dialogue.mayMap = true }

        mutating func reply(to request: HTTPRequest) -> HTTPReply {
            let text = String(decoding: request.bytes, as: UTF8.self)
            #expect(text.contains("Host: [2600:77::1]:5000\r\n"))
            guard !text.hasPrefix("GET") else {
                return HTTPReply(status: 200, body: IGDReadingTests.description(type: "WANIPv6FirewallControl:1"))
            }
            let action = text.split(separator: "#").dropFirst().first?.split(separator: "\"").first.map { String($0) } ?? ""
            self.requests.append((action, text))
            let number = text.firstMatch(of: /<UniqueID>(\d+)</).flatMap { UInt16($0.1) }
            var values = ""
            switch action {
            case "GetFirewallStatus": values = self.status
            case "AddPinhole" where !self.faults.isEmpty:
                return HTTPReply(status: 500, body: Router.fault(self.faults.removeFirst()))
            case "AddPinhole":
                self.pinholes.insert(self.nextNumber)
                values = self.isNumbered ? "<UniqueID>\(self.nextNumber)</UniqueID>" : ""
                self.nextNumber += 1
            case "DeletePinhole": self.pinholes = self.pinholes.filter { $0 != number }
            default: if number.map({ !self.pinholes.contains($0) }) ?? true { return HTTPReply(status: 500, body: Router.fault(704)) }
            }
            return HTTPReply(status: 200, body: Array("<e><b><u:R xmlns:u=\"x\">\(values)</u:R></b></e>".utf8))
        }

        mutating func run(for time: TimeAmount) {
            let end = self.now + time
            for _ in 0..<10_000 {
                let actions = self.dialogue.poll(at: self.now)
                for case .request(let request) in actions {
                    self.dialogue.finished(request.id, .success(self.reply(to: request)), at: self.now)
                }
                guard actions.isEmpty else { continue }
                guard let deadline = self.dialogue.deadline, deadline <= end else { break }
                self.now = max(deadline, self.now)
            }
            self.now = end
        }

        mutating func found(_ bytes: [UInt8] = answer, from sender: IPAddress = router) {
            self.dialogue.received(bytes, from: sender, at: self.now)
        }

        func count(_ action: String) -> Int { self.requests.count { $0.action == action } }
        var isOpen: Bool { self.dialogue.mappings.map(\.mapping.externalPort) == [4001] }
    }

    @Test("It lets packets in at a port of this node's own address; at half of the lease that is renewed, and in the end taken back")
    func opens() {
        var scene = Scene()
        scene.found()
        scene.run(for: .seconds(1))
        #expect(scene.isOpen && scene.dialogue.isSettled && scene.dialogue.externalAddress == Self.client)
        #expect(scene.requests.map(\.action) == ["GetFirewallStatus", "AddPinhole"])
        let arguments =
            "<RemoteHost></RemoteHost><RemotePort>0</RemotePort><InternalClient>2600:77::5</InternalClient>"
            + "<InternalPort>4001</InternalPort><Protocol>17</Protocol><LeaseTime>7200</LeaseTime>"
        #expect(scene.requests.last?.body.contains(arguments) == true)
        scene.run(for: .seconds(3_590))
        #expect(scene.count("UpdatePinhole") == 0 && scene.count("GetPinholePackets") == 5)
        scene.run(for: .seconds(20))
        #expect(scene.count("UpdatePinhole") == 1 && scene.isOpen)
        #expect(scene.requests.last?.body.contains("<UniqueID>7</UniqueID><NewLeaseTime>7200</NewLeaseTime>") == true)
        scene.dialogue.use([])
        #expect(scene.dialogue.isLeaving)
        scene.run(for: .zero)
        #expect(scene.pinholes.isEmpty && scene.count("DeletePinhole") == 1 && !scene.dialogue.isLeaving)
    }

    @Test("A router that has forgotten is told again: within ten minutes, and when it is to renew")
    func forgets() {
        var scene = Scene()
        scene.found()
        scene.run(for: .seconds(1))
        scene.pinholes = []
        scene.run(for: .seconds(601))
        #expect(scene.isOpen && scene.pinholes == [8])
        #expect(scene.requests.suffix(3).map(\.action) == ["GetPinholePackets", "UpdatePinhole", "AddPinhole"])
    }

    @Test("A refusal holds half an hour, and says what it is")
    func refusals() {
        var scene = Scene()
        scene.faults = [701, 606]
        scene.found()
        scene.run(for: .seconds(1))
        #expect(!scene.isOpen && scene.dialogue.failures.map(\.reason) == ["UPnP: 701 (no pinhole left)"])
        scene.run(for: .minutes(29))
        #expect(scene.count("AddPinhole") == 1)
        scene.run(for: .minutes(30))
        #expect(scene.count("AddPinhole") == 2 && scene.dialogue.failures.map(\.reason) == ["UPnP: 606 (not authorized)"])
        scene.run(for: .minutes(31))
        #expect(scene.isOpen)
    }

    @Test(
        "A firewall that is off, or stays shut, is left alone",
        arguments: [
            ("<FirewallEnabled>0</FirewallEnabled>", "its firewall is off"),
            ("<FirewallEnabled>1</FirewallEnabled><InboundPinholeAllowed>false</InboundPinholeAllowed>", "it allows no pinholes"),
        ])
    func states(_ status: String, _ reason: String) {
        var scene = Scene()
        scene.status = status
        scene.found()
        scene.run(for: .seconds(6))
        #expect(scene.dialogue.isOver && scene.count("AddPinhole") == 0)
        #expect(scene.dialogue.failures.first?.reason == "UPnP: \(reason)")
    }

    @Test("A pinhole without a number, or with one that is none, could not be taken back: such a router is left")
    func numbers() {
        var scene = Scene()
        scene.isNumbered = false
        scene.found()
        scene.run(for: .seconds(1))
        #expect(!scene.isOpen && scene.dialogue.isLost)
    }

    @Test("Who is not on the link, says that another is, or speaks of IPv4 is not asked")
    func strangers() {
        var scene = Scene()
        let text = String(decoding: Self.answer, as: UTF8.self)
        for (location, sender) in [
            ("[2600:33::9]", IPAddress(v6: 0x2600_0033 << 32, 9)), ("[2600:77::1]", IPAddress(v6: 0x2600_0077 << 32, 9)),
            ("[2600:77::5]", Self.client), ("192.168.77.1", Router.address), ("[fe80::1]", Self.router),
        ] {
            scene.found(Array(text.replacing("[2600:77::1]", with: location).utf8), from: sender)
        }
        scene.run(for: .seconds(6))
        #expect(scene.dialogue.isOver && scene.requests.isEmpty)
    }
}
