import NIOCore
import P2PMultiaddr
import Testing

@testable import P2PPortMapping

@Suite("Messages of PCP and NAT-PMP")
struct MessageTests {
    private static let client = IPAddress(v4: 0xc0a8_4d02)
    private static let nonce: [UInt8] = Array(1...12)

    @Test("A request of PCP has the bytes of RFC 6887")
    func pcpRequest() {
        let bytes = PCPMessage.map(LocalPort(.udp, 4001), nonce: Self.nonce, lifetime: 7_200, suggested: 4001, client: Self.client)
        let address: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        #expect(
            bytes == [2, 1, 0, 0, 0, 0, 0x1c, 0x20] + address + [192, 168, 77, 2] + Self.nonce + [17, 0, 0, 0, 0x0f, 0xa1, 0x0f, 0xa1]
                + address + [0, 0, 0, 0])
        #expect(PCPMessage.announce(client: Self.client).count == PCPMessage.headerLength)
    }

    @Test("An answer of PCP is read; what is cut short, too long or no answer is none")
    func pcpResponse() throws {
        let bytes = Answers.pcp(nonce: Self.nonce, transport: 17, port: 4001, external: 4002, lifetime: 120, epoch: 7)
        let response = try #require(PCPMessage.read(bytes))
        #expect(response.result == .success && response.lifetime == 120 && response.epoch == 7)
        guard case .map(let map) = response.body else {
            Issue.record("no mapping")
            return
        }
        #expect(map.nonce == Self.nonce && map.transport == 17 && map.internalPort == 4001 && map.externalPort == 4002)
        #expect(map.externalAddress == IPAddress(v4: 0x2d21_0001))
        for length in 0..<PCPMessage.headerLength { #expect(PCPMessage.read(Array(bytes.prefix(length))) == nil) }
        #expect(PCPMessage.read(bytes + [0]) == nil)
        #expect(PCPMessage.read(bytes + [UInt8](repeating: 0, count: 1_044)) == nil)
        #expect(PCPMessage.read([2, 1] + bytes.dropFirst(2)) == nil, "a request is no answer")
        #expect(PCPMessage.read([0] + bytes.dropFirst()) == nil, "another version")
    }

    @Test("NAT-PMP's messages have the bytes of RFC 6886")
    func natPMP() throws {
        #expect(
            NATPMPMessage.map(LocalPort(.tcp, 4001), lifetime: 7_200, suggested: 4001) == [
                0, 2, 0, 0, 0x0f, 0xa1, 0x0f, 0xa1, 0, 0, 0x1c, 0x20,
            ])
        #expect(NATPMPMessage.map(LocalPort(.udp, 4001), lifetime: 0, suggested: 0) == [0, 1, 0, 0, 0x0f, 0xa1, 0, 0, 0, 0, 0, 0])
        let address = try #require(NATPMPMessage.read([0, 128, 0, 0, 0, 0, 0, 9, 45, 33, 0, 1]))
        #expect(address == NATPMPMessage.Response(result: .success, epoch: 9, body: .address(IPAddress(v4: 0x2d21_0001))))
        let map = try #require(NATPMPMessage.read([0, 130, 0, 0, 0, 0, 0, 9, 0x0f, 0xa1, 0x0f, 0xa2, 0, 0, 0, 60]))
        #expect(map.body == .map(LocalPort(.tcp, 4001), externalPort: 4002, lifetime: 60))
        #expect(NATPMPMessage.read([0, 129, 0, 1])?.result == .unsupportedVersion, "an error may be cut short")
        for bytes: [UInt8] in [[], [0], [0, 128, 0, 0], [0, 128, 0, 0, 0, 0, 0, 9, 45, 33, 0], [2, 128, 0, 0], [0, 2, 0, 0]] {
            #expect(NATPMPMessage.read(bytes) == nil)
        }
    }

    @Test(
        "A gateway whose clock goes back has forgotten, a late answer and a slow clock aside",
        arguments: [
            (before: UInt32(1_000), after: UInt32(1_100), elapsed: Int64(100), isOver: false), (1_000, 1_088, 100, false),
            (1_000, 1_084, 100, true),
            (1_000, 999, 0, false), (1_000, 0, 10, true), (0, 0, 0, false), (.max, 0, 0, true),
        ])
    func epoch(_ row: (before: UInt32, after: UInt32, elapsed: Int64, isOver: Bool)) {
        let epoch = GatewayEpoch(seconds: row.before, at: .uptimeNanoseconds(0))
        #expect(epoch.isOver(by: row.after, at: .uptimeNanoseconds(0) + .seconds(row.elapsed)) == row.isOver)
    }
}

/// What gateways answer.
enum Answers {
    static func pcp(
        nonce: [UInt8], transport: UInt8, port: UInt16, external: UInt16, lifetime: UInt32 = 7_200, epoch: UInt32 = 0, result: UInt8 = 0,
        address: IPAddress = IPAddress(v4: 0x2d21_0001)
    ) -> [UInt8] {
        var bytes: [UInt8] = [2, 0x81, 0, result]
        bytes.append(bigEndian: lifetime)
        bytes.append(bigEndian: epoch)
        bytes += [UInt8](repeating: 0, count: 12)
        bytes += nonce + [transport, 0, 0, 0]
        bytes.append(bigEndian: port)
        bytes.append(bigEndian: external)
        bytes += [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + address.bytes
        return bytes
    }

    /// The answer to a request, by a gateway that does what it is asked.
    static func granting(_ request: [UInt8], epoch: UInt32, lifetime: UInt32? = nil) -> [UInt8]? {
        if request.count == PCPMessage.mapLength {
            let suggested: UInt16 = request.number(at: 42)
            return self.pcp(
                nonce: Array(request[24..<36]), transport: request[36], port: request.number(at: 40), external: suggested,
                lifetime: lifetime ?? request.number(at: 4), epoch: epoch)
        }
        guard request.first == 0 else { return nil }
        var answer: [UInt8] = [0, request[1] | 0x80, 0, 0]
        answer.append(bigEndian: epoch)
        return request.count == 2
            ? answer + [45, 33, 0, 1] : answer + request[4..<8] + (lifetime.map { $0.bytes } ?? Array(request[8..<12]))
    }
}

extension UInt32 {
    fileprivate var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: self)
        return bytes
    }
}
