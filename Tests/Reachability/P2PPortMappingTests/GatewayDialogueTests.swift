import NIOCore
import P2PMultiaddr
import Testing

@testable import P2PPortMapping

@Suite("A gateway that maps ports by PCP or NAT-PMP")
struct GatewayDialogueTests {
    private static let tcp = LocalPort(.tcp, 4001)
    private static let udp = LocalPort(.udp, 4001)
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// A gateway in time.
    private struct Scene {
        var dialogue: GatewayDialogue
        var now = start
        var sent: [[UInt8]] = []

        init() {
            let nonces = [tcp: [UInt8](repeating: 1, count: 12), udp: [UInt8](repeating: 2, count: 12)]
            self.dialogue = GatewayDialogue(
                client: IPAddress(v4: 0xc0a8_4d02), ports: [tcp, udp], nonces: nonces, wished: [:], seed: 7, at: start)
        }

        /// Lets time pass, and hands each request to the gateway, whose answers arrive at once.
        mutating func run(for time: TimeAmount, _ gateway: (_ request: [UInt8], _ seconds: UInt32) -> [[UInt8]]) {
            let end = self.now + time
            while true {
                for request in self.dialogue.poll(at: self.now) {
                    self.sent.append(request)
                    for answer in gateway(request, self.seconds) { self.dialogue.received(answer, at: self.now) }
                }
                guard let deadline = self.dialogue.deadline, deadline <= end else { break }
                #expect(deadline > self.now || !self.dialogue.poll(at: self.now).isEmpty, "nothing is due twice")
                self.now = max(deadline, self.now)
            }
            self.now = end
        }

        var seconds: UInt32 { UInt32((self.now - start).nanoseconds / 1_000_000_000) + 100 }
        var ports: [UInt16] { self.dialogue.mappings.map(\.mapping.externalPort) }
    }

    @Test("PCP maps at once, and renews between a half and five eighths of the lifetime, under the same nonce")
    func pcp() {
        var scene = Scene()
        scene.run(for: .zero) { [Answers.granting($0, epoch: $1)].compactMap { $0 } }
        #expect(scene.dialogue.speech == .pcp && scene.ports == [4001, 4001] && scene.dialogue.isSettled)
        #expect(scene.dialogue.mappings.first.flatMap { scene.dialogue.externalAddress(of: $0.mapping) } == IPAddress(v4: 0x2d21_0001))
        let first = Set(scene.sent)
        scene.sent = []
        scene.run(for: .seconds(3_599)) { [Answers.granting($0, epoch: $1)].compactMap { $0 } }
        #expect(!scene.sent.contains { $0.count == PCPMessage.mapLength }, "only whether it still knows is asked")
        scene.run(for: .seconds(902)) { [Answers.granting($0, epoch: $1)].compactMap { $0 } }
        #expect(Set(scene.sent.filter { $0.count == PCPMessage.mapLength }) == first)
        #expect(scene.ports == [4001, 4001])
    }

    @Test("A gateway that knows NAT-PMP alone says so, or is silent to PCP", arguments: [true, false])
    func natPMP(saysSo: Bool) {
        var scene = Scene()
        scene.run(for: .seconds(3)) { request, epoch in
            if request.first == 2 { return saysSo ? [[0, 0x81, 0, 1, 0, 0, 0, 9]] : [] }
            return [Answers.granting(request, epoch: epoch)].compactMap { $0 }
        }
        #expect(scene.dialogue.speech == .natPMP && scene.ports == [4001, 4001])
        #expect(scene.dialogue.mappings.first.flatMap { scene.dialogue.externalAddress(of: $0.mapping) } == IPAddress(v4: 0x2d21_0001))
        #expect(scene.dialogue.release(at: scene.now).allSatisfy { $0.suffix(6) == [0, 0, 0, 0, 0, 0] }, "lifetime and outer port are 0")
    }

    @Test("Silence is over after four seconds and few datagrams")
    func silence() {
        var scene = Scene()
        scene.run(for: .milliseconds(3_900)) { _, _ in [] }
        #expect(!scene.dialogue.isSettled)
        scene.run(for: .milliseconds(200)) { _, _ in [] }
        #expect(scene.dialogue.isSettled && scene.dialogue.speech == .none && scene.dialogue.mappings.isEmpty)
        #expect(scene.sent.count <= 12)
        scene.run(for: .hours(2)) { _, _ in [] }
        #expect(scene.sent.count <= 12)
    }

    @Test("An answer of another port, nonce or protocol, one that nobody waits for, and none at all change nothing")
    func foreignAnswers() {
        var scene = Scene()
        scene.run(for: .zero) { request, epoch in
            guard request.count == PCPMessage.mapLength else { return [] }
            let nonce = Array(request[24..<36])
            return [
                Answers.pcp(nonce: [UInt8](repeating: 9, count: 12), transport: request[36], port: 4001, external: 1),
                Answers.pcp(nonce: nonce, transport: request[36], port: 4002, external: 2),
                Answers.pcp(nonce: nonce, transport: 1, port: 4001, external: 3),
                [0, 129, 0, 0, 0, 0, 0, 9, 0x0f, 0xa1, 0, 4, 0, 0, 0x1c, 0x20], [], [UInt8](repeating: 0xff, count: 2_000),
            ]
        }
        #expect(scene.dialogue.mappings.isEmpty && !scene.dialogue.isSettled)
        scene.run(for: .seconds(2)) { [Answers.granting($0, epoch: $1)].compactMap { $0 } }
        #expect(scene.ports == [4001, 4001])
        scene.dialogue.received(Answers.pcp(nonce: [UInt8](repeating: 1, count: 12), transport: 6, port: 4001, external: 5), at: scene.now)
        #expect(scene.ports == [4001, 4001], "nobody has asked")
    }

    @Test(
        "A refusal holds half an hour, or half a minute where that may help; ADDRESS_MISMATCH tells of another NAT",
        arguments: [(code: UInt8(2), pause: Int64(1_800)), (8, 30), (12, 1_800), (200, 1_800)])
    func refusal(_ row: (code: UInt8, pause: Int64)) {
        var scene = Scene()
        let refuse: ([UInt8], UInt32) -> [[UInt8]] = { request, epoch in
            [
                Answers.pcp(
                    nonce: Array(request[24..<36]), transport: request[36], port: 4001, external: 0, epoch: epoch, result: row.code)
            ]
        }
        scene.run(for: .zero) { $0.count == PCPMessage.mapLength ? refuse($0, $1) : [] }
        #expect(scene.dialogue.isSettled && scene.dialogue.failures.count == 2)
        #expect(scene.dialogue.isBehindAnotherNAT == (row.code == 12))
        scene.sent = []
        scene.run(for: .seconds(row.pause - 1)) { $0.count == PCPMessage.mapLength ? refuse($0, $1) : [] }
        #expect(!scene.sent.contains { $0.count == PCPMessage.mapLength })
        scene.run(for: .seconds(2)) { [Answers.granting($0, epoch: $1)].compactMap { $0 } }
        #expect(scene.ports == [4001, 4001] && scene.dialogue.failures.isEmpty)
    }

    @Test("A lifetime of no use is a refusal, and a long one is believed for a day", arguments: [UInt32(0), 1, 59, 60, .max])
    func lifetimes(_ lifetime: UInt32) {
        var scene = Scene()
        scene.run(for: .zero) { [Answers.granting($0, epoch: $1, lifetime: lifetime)].compactMap { $0 } }
        #expect(scene.dialogue.mappings.isEmpty == (lifetime < 60))
        #expect(scene.dialogue.mappings.allSatisfy { $0.mapping.expiresAt <= scene.now + .hours(24) })
        scene.sent = []
        scene.run(for: .minutes(10)) { [Answers.granting($0, epoch: $1, lifetime: lifetime)].compactMap { $0 } }
        #expect(scene.sent.filter { $0.count == PCPMessage.mapLength }.count <= 20, "twice a minute at most, for two ports")
    }

    @Test("A gateway that has forgotten is asked for everything again; one whose clock always goes back, once a minute")
    func restarts() {
        var scene = Scene()
        scene.run(for: .zero) { [Answers.granting($0, epoch: $1)].compactMap { $0 } }
        scene.now = scene.now + .minutes(5)
        scene.sent = []
        // An announcement, as a gateway that has started sends it.
        scene.dialogue.received([2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 12), at: scene.now)
        scene.run(for: .zero) { request, _ in [Answers.granting(request, epoch: 1)].compactMap { $0 } }
        #expect(scene.sent.count == 2 && scene.ports == [4001, 4001])
        scene.sent = []
        for _ in 0..<600 {
            scene.dialogue.received([2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 12), at: scene.now)
            scene.run(for: .milliseconds(100)) { request, _ in [Answers.granting(request, epoch: 100_000)].compactMap { $0 } }
        }
        #expect(scene.sent.count <= 4, "a minute has passed")
    }

    @Test("A mapping that is not renewed expires, and a gateway that is back maps again")
    func expiry() {
        var scene = Scene()
        scene.run(for: .zero) { [Answers.granting($0, epoch: $1)].compactMap { $0 } }
        scene.run(for: .seconds(7_100)) { _, _ in [] }
        #expect(scene.ports == [4001, 4001], "it holds still")
        scene.run(for: .seconds(200)) { _, _ in [] }
        #expect(scene.ports == [])
        scene.run(for: .minutes(31)) { [Answers.granting($0, epoch: $1)].compactMap { $0 } }
        #expect(scene.ports == [4001, 4001])
    }

    @Test("A port that is not listened on any more is given back, a new one is asked for")
    func changes() {
        var scene = Scene()
        scene.run(for: .zero) { [Answers.granting($0, epoch: $1)].compactMap { $0 } }
        let new = LocalPort(.tcp, 8_080)
        let released = scene.dialogue.use([Self.udp, new], nonces: [new: [UInt8](repeating: 3, count: 12)], at: scene.now)
        #expect(
            released.count == 1
                && released.allSatisfy { $0[4..<8] == [0, 0, 0, 0] && $0[24..<36] == [UInt8](repeating: 1, count: 12)[...] })
        scene.run(for: .zero) { [Answers.granting($0, epoch: $1)].compactMap { $0 } }
        #expect(scene.dialogue.mappings.map(\.port) == [Self.udp, new])
        #expect(scene.dialogue.release(at: scene.now).count == 2 && scene.dialogue.mappings.isEmpty)
    }
}
