import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPortMapping

/// Routers that are asked to map ports, or to open their firewall, and keep to no rule.
enum PortMapperFuzzing {
    private static let ports = [LocalPort(.tcp, 4_001), LocalPort(.udp, 4_001)]
    /// What may be sent to a router within ten minutes, whatever it says: more would be a flood.
    private static let patience = 2_000

    private static func network(isIPv4: Bool) -> MappingNetwork {
        let client = isIPv4 ? IPAddress(v4: 0xc0a8_4d02) : IPAddress(v6: 0x2600_0077 << 32, 2)
        let router = isIPv4 ? IPAddress(v4: 0xc0a8_4d01) : IPAddress(v6: 0x2600_0077 << 32, 1)
        return MappingNetwork(
            interface: "eth0", client: client, network: IPNetwork(client, prefixLength: isIPv4 ? 24 : 64), gateway: router)
    }

    /// Datagrams, answers to searches and replies as the bytes say, in any order and at any time: what is said to be mapped is possible, one request is
    /// under way at a time, a router is not flooded, and the end comes.
    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let network = Self.network(isIPv4: input.byte() % 2 == 0)
        var mapper = PortMapper(seed: UInt64(input.byte())) { [UInt8](repeating: 7, count: 12) }
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var requests: [(id: Int, round: Int)] = []
        var sent: [NIODeadline] = []
        mapper.use(network, Self.ports, at: now)

        func work() {
            for action in mapper.poll(at: now) {
                switch action {
                case .begin(_, let begun):
                    precondition(begun == network)
                    requests = []
                case .datagram(let bytes):
                    precondition(bytes.count <= 1_100)
                    sent.append(now)
                case .search(let bytes): precondition(bytes.count < 512)
                case .request(let request):
                    precondition(request.bodyLimit <= 64 * 1_024)
                    requests.append((request.id, mapper.round))
                    sent.append(now)
                }
            }
            precondition(requests.count <= 1, "two requests at a time")
            sent.removeAll { now - $0 > .minutes(10) }
            precondition(sent.count <= Self.patience, "a router is flooded")
            Self.check(mapper.status)
        }

        while !input.isEmpty {
            switch input.byte() % 8 {
            case 0:
                let kind = input.byte()
                mapper.received(Self.datagram(kind, &input), round: mapper.round, at: now)
            case 1: mapper.received(input.take(Int(input.byte())), round: mapper.round - Int(input.byte() % 2), at: now)
            case 2:
                let place = network.client.isIPv4 ? "192.168.77.1" : "[2600:77::1]"
                let text =
                    "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: http://\(place):5000/\(input.byte() % 4)\r\n\r\n"
                mapper.found(Array(text.utf8), from: network.gateway, round: mapper.round, at: now)
            case 3: mapper.found(input.take(Int(input.byte())), from: network.gateway, round: mapper.round, at: now)
            case 4:
                guard let (id, round) = requests.popLast() else { continue }
                mapper.finished(id, .success(Self.reply(&input)), round: round, at: now)
            case 5:
                guard let (id, round) = requests.popLast() else { continue }
                mapper.finished(id, .failure(GatewayError("gone")), round: round, at: now)
            case 6:
                switch input.byte() % 8 {
                case 0: mapper.gatewayClosed(round: mapper.round, at: now)
                case 1: mapper.use(network, Array(Self.ports.prefix(Int(input.byte() % 3))), at: now)
                default: mapper.use(network, Self.ports, at: now)
                }
            default: now = now + .milliseconds(Int64(input.short()) * 10)
            }
            work()
        }
        mapper.close(at: now)
        for _ in 0..<64 where !mapper.isClosed {
            work()
            if let (id, round) = requests.popLast() { mapper.finished(id, .failure(GatewayError("gone")), round: round, at: now) }
        }
        precondition(mapper.isClosed, "it does not end")
    }

    private static func check(_ status: PortMappingStatus) {
        precondition(Set(status.mappings.map(\.local)).count == status.mappings.count)
        for mapping in status.mappings {
            precondition(Self.ports.contains(mapping.local) && mapping.externalPort != 0)
            precondition(mapping.externalAddress?.isUnspecified != true)
        }
        precondition((status.phase == .mapped) == !status.mappings.isEmpty)
    }

    /// An answer of PCP or NAT-PMP, most of it as it should be.
    private static func datagram(_ kind: UInt8, _ input: inout FuzzInput) -> [UInt8] {
        let port: [UInt8] = [0x0f, 0xa1]
        let life: [UInt8] = [0, 0, input.byte(), input.byte()]
        let epoch: [UInt8] = [0, 0, input.byte(), input.byte()]
        let outer: [UInt8] = [input.byte(), input.byte()]
        switch kind % 4 {
        case 0:
            let head: [UInt8] = [2, 0x81, 0, kind >> 4] + life + epoch + [UInt8](repeating: 0, count: 12)
            let address = [UInt8](repeating: 0, count: 10) + [0xff, 0xff, 45, 33, 0, 1]
            return head + [UInt8](repeating: 7, count: 12) + [kind & 8 == 0 ? 6 : 17, 0, 0, 0] + port + outer + address
        case 1: return [0, 0x81 + kind >> 7, 0, kind >> 4 & 7] + epoch + port + outer + life
        case 2: return [0, 0x80, 0, kind >> 4] + epoch + input.take(4)
        default: return [0, 0x80, 0, 1] + epoch
        }
    }

    /// A description, or an answer of a service.
    private static func reply(_ input: inout FuzzInput) -> HTTPReply {
        let kind = input.byte()
        let content: String
        switch kind % 8 {
        case 0, 1:
            let type = ["WANIPConnection:1", "WANIPConnection:2", "WANPPPConnection:1", "WANIPv6FirewallControl:1"][Int(kind >> 4) % 4]
            content =
                "<root><service><serviceType>urn:schemas-upnp-org:service:\(type)</serviceType><controlURL>/c</controlURL></service></root>"
        case 2:
            let codes: [Int] = [606, 701, 704, 714, 718, 724, 725, 728, Int(input.short())]
            return HTTPReply(status: 500, body: Array("<a><errorCode>\(codes[Int(kind >> 3) % codes.count])</errorCode></a>".utf8))
        case 3: content = "<a><UniqueID>\(input.short())</UniqueID></a>"
        case 4: content = "<a><NewConnectionStatus>Connected</NewConnectionStatus><FirewallEnabled>1</FirewallEnabled></a>"
        case 5:
            content =
                "<a><NewExternalIPAddress>45.33.\(input.byte()).1</NewExternalIPAddress><NewReservedPort>\(input.short())</NewReservedPort></a>"
        case 6: content = "<a/>"
        default: return HTTPReply(status: UInt16(input.short()), body: input.take(Int(input.byte())))
        }
        return HTTPReply(status: 200, body: Array(content.utf8))
    }

    /// A head and a body in pieces, which may be anything: no more is kept than the limit.
    static func reply(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let limit = input.size()
        let seed = input.byte()
        var reader = HTTPReplyReader(bodyLimit: limit)
        do throws(GatewayError) {
            for piece in FuzzInput.pieces(of: input.remainder(), seed: seed) {
                var buffer = ByteBuffer(bytes: piece)
                guard let reply = try reader.received(&buffer) else { continue }
                precondition(reply.body.count <= limit)
                return
            }
            let reply = try reader.ended()
            precondition(reply.body.count <= limit)
        } catch {}
    }

    static let seeds: [[UInt8]] = [
        // Found, described, connected, asked for its address, mapped.
        [0, 1, 7, 2, 0, 2, 0, 4, 0, 4, 4, 4, 5, 33, 0, 0, 7, 2, 0, 4, 6, 4, 6, 7, 255, 0, 4, 6],
        // Its firewall opens, is renewed, and has forgotten.
        [1, 1, 7, 2, 0, 2, 0, 7, 2, 0, 4, 0x30, 4, 4, 4, 3, 0, 9, 4, 3, 0, 9, 7, 255, 255, 4, 2, 4, 3, 0, 9],
        // PCP maps, and is renewed.
        [0, 1, 0, 0, 28, 32, 0, 9, 15, 161, 0, 8, 28, 32, 0, 9, 15, 161, 7, 255, 255, 0, 0, 28, 32, 0, 1, 15, 161],
    ]

    static let replies: [[UInt8]] = [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<a/>", "HTTP/1.0 200 OK\r\n\r\n<a/>",
        "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<a/>\r\n0\r\n\r\n",
    ].flatMap { text in [[12, 0] + Array(text.utf8), [12, 3] + Array(text.utf8)] }
}
