import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PSwarm

@Suite("Limits follow from the machine")
struct LimitPresetsTests {
    private static let mebibyte = 1 << 20

    @Test(
        "Memory and connections, by preset and machine",
        arguments: [
            (ResourceLimits.Preset.server, 24_576, 20_000, 512, 4_096),
            (.server, 1_024, 20_000, 256, 2_048),
            (.server, 128, 20_000, 64, 512),
            (.server, 24_576, 1_024, 512, 192),
            (.server, 24_576, 64, 512, 16),
            (.desktop, 16_384, 20_000, 128, 512),
            (.desktop, 512, 20_000, 32, 256),
            (.phone, 6_144, 20_000, 48, 128),
            (.phone, 256, 20_000, 16, 128),
        ])
    func presets(preset: ResourceLimits.Preset, mebibytes: Int, descriptors: Int, memory: Int, connections: Int) {
        let limits = ResourceLimits(preset, on: MachineResources(memory: mebibytes * Self.mebibyte, descriptors: descriptors))
        #expect(limits.memory == memory * Self.mebibyte && limits.connections == connections)
        #expect(limits.memoryPerPeer == limits.memory / 4 && limits.memoryAllowed == limits.memory / 8)
        #expect(limits.memoryPerNetwork == limits.memory / 2)
        #expect(limits.memoryKept == limits.memory / 16 && limits.tasks == limits.memory / 16_384)
        let (low, high) = limits.watermarks
        #expect(high == (preset == .server ? connections : connections / 4 * 3))
        #expect(low == (preset == .server ? connections / 16 * 15 : connections / 2))
    }

    @Test(
        "Watermarks follow the limit on connections, stay below it, and leave something between them",
        arguments: [
            // connections, connectionsLow and connectionsHigh if they are set, the watermarks
            (4_096, nil, nil, 3_840, 4_096), (100, nil, nil, 94, 100), (4, nil, nil, 3, 4), (1, nil, nil, 0, 1),
            (100, 10, 50, 10, 50), (100, 10, 500, 10, 100), (100, 80, 50, 49, 50), (100, nil, 0, 0, 0),
        ] as [(Int, Int?, Int?, Int, Int)])
    func watermarks(connections: Int, setLow: Int?, setHigh: Int?, low: Int, high: Int) {
        var limits = ResourceLimits()
        limits.connections = connections
        if let setLow { limits.connectionsLow = setLow }
        if let setHigh { limits.connectionsHigh = setHigh }
        #expect(limits.watermarks == (low, high))
    }

    @Test("Every limit says what is in use, what was at most, and what it refused")
    func uses() throws {
        var configuration = ResourceLimits()
        configuration.connectionsPerPeer = 2
        let limits = ConnectionLimits(configuration)
        let peer = try PeerID(PrivateKey.generate(.ed25519).publicKey)
        let address: Multiaddr = "/ip4/192.0.2.1/tcp/1"
        func use(_ name: String) -> LimitUse? { limits.uses.first { $0.name == name } }
        do {
            let one = try limits.reserveConnection(to: peer, at: address, role: .listener)
            let other = try limits.reserveConnection(to: peer, at: address, role: .listener)
            #expect(throws: LimitError.self) { _ = try limits.reserveConnection(to: peer, at: address, role: .listener) }
            #expect(throws: LimitError.self) { _ = try limits.reserveStream(of: "/x", from: peer, limit: 0) }
            #expect(use("connections")?.use == 2 && use("connectionsPerPeer")?.refusals == 1)
            _ = consume one
            _ = consume other
        }
        #expect(limits.uses.allSatisfy { $0.use == 0 })
        #expect(use("connectionsPerPeer")?.peak == 2 && use("connectionsPerAddress")?.peak == 2 && use("connections")?.peak == 2)
    }
}
