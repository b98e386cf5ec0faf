import NIOCore
import P2PMultiaddr
import Testing

@testable import P2PPortMapping

@Suite("A router that maps ports by UPnP")
struct IGDDialogueTests {
    private static let port = LocalPort(.tcp, 4001)
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private struct Scene {
        var dialogue: IGDDialogue
        var router = Router()
        var now = start
        var searches = 0

        init(gateway: IPAddress? = Router.address) {
            self.dialogue = IGDDialogue(
                client: Router.client, network: Router.network, gateway: gateway, ports: [port], wished: [:],
                random: MappingRandom(seed: 3), at: start)
            self.dialogue.mayMap = true
        }

        /// Lets time pass; the router answers at once.
        mutating func run(for time: TimeAmount) {
            let end = self.now + time
            for _ in 0..<10_000 {
                let actions = self.dialogue.poll(at: self.now)
                for action in actions {
                    switch action {
                    case .search: self.searches += 1
                    case .request(let request): self.dialogue.finished(request.id, self.router.reply(to: request), at: self.now)
                    }
                }
                guard actions.isEmpty else { continue }
                guard let deadline = self.dialogue.deadline, deadline <= end else { break }
                self.now = max(deadline, self.now)
            }
            self.now = end
        }

        mutating func found() { self.dialogue.received(Router.answer, from: Router.address, at: self.now) }
        var external: UInt16? { self.dialogue.mappings.first?.mapping.externalPort }
    }

    @Test("It is found, asked whether it is connected, and maps; at half of the lease it is asked again")
    func maps() {
        var scene = Scene()
        scene.run(for: .milliseconds(100))
        #expect(scene.searches == 1 && !scene.dialogue.isSettled)
        scene.found()
        scene.run(for: .milliseconds(100))
        #expect(scene.external == 4001 && scene.dialogue.isSettled && scene.dialogue.externalAddress == IPAddress(v4: 0x2d21_0001))
        #expect(scene.router.requests.map(\.action) == ["GetStatusInfo", "GetExternalIPAddress", "AddPortMapping"])
        scene.run(for: .seconds(3_590))
        #expect(scene.router.count("AddPortMapping") == 1 && scene.searches == 1)
        scene.run(for: .seconds(20))
        #expect(scene.router.count("AddPortMapping") == 2 && scene.external == 4001)
        scene.dialogue.use([])
        #expect(scene.dialogue.isLeaving)
        scene.run(for: .zero)
        #expect(scene.router.count("DeletePortMapping") == 1 && !scene.dialogue.isLeaving)
    }

    @Test("It waits until it may map")
    func waits() {
        var scene = Scene()
        scene.dialogue.mayMap = false
        scene.found()
        scene.run(for: .seconds(4))
        #expect(scene.external == nil && scene.router.count("AddPortMapping") == 0)
        scene.dialogue.mayMap = true
        scene.run(for: .zero)
        #expect(scene.external == 4001)
    }

    private struct Refusals {
        let faults: [UInt16]
        let adds: Int
        /// The outer port in the end: nil for a random one, 0 for none.
        let external: UInt16?
    }

    private static let refusals = [
        Refusals(faults: [725], adds: 2, external: 4001), Refusals(faults: [718], adds: 2, external: nil),
        Refusals(faults: [725, 718], adds: 3, external: nil), Refusals(faults: [725, 725], adds: 2, external: 0),
        Refusals(faults: [606], adds: 1, external: 0), Refusals(faults: [718, 718], adds: 2, external: 0),
        Refusals(faults: [718, 724], adds: 3, external: 4001), Refusals(faults: [725, 718, 606], adds: 3, external: 0),
        Refusals(faults: [501], adds: 1, external: 0), Refusals(faults: [724], adds: 1, external: 0),
        Refusals(faults: [728], adds: 2, external: nil),
    ]

    @Test("Each error that has a cure is cured once", arguments: Self.refusals.indices)
    func faults(_ index: Int) {
        let row = Self.refusals[index]
        var scene = Scene()
        scene.router.faults = row.faults
        scene.found()
        scene.run(for: .seconds(1))
        #expect(scene.router.count("AddPortMapping") == row.adds && scene.dialogue.isSettled)
        switch row.external {
        case nil: #expect((scene.external ?? 0) >= 10_000, "a random port")
        case 0: #expect(scene.external == nil && scene.dialogue.failures.count == 1)
        case let port: #expect(scene.external == port)
        }
        #expect(scene.router.requests.last?.body.contains("<NewLeaseDuration>0<") == row.faults.contains(725))
        scene.run(for: .minutes(29))
        #expect(scene.router.count("AddPortMapping") == row.adds, "a refusal holds half an hour")
    }

    @Test("An answer that leads elsewhere, comes from elsewhere or is no gateway's is not followed")
    func strangers() {
        var scene = Scene()
        let text = String(decoding: Router.answer, as: UTF8.self)
        scene.dialogue.received(Array(text.replacing("192.168.77.1", with: "45.33.0.9").utf8), from: Router.address, at: scene.now)
        scene.dialogue.received(
            Array(text.replacing("192.168.77.1", with: "45.33.0.9").utf8), from: IPAddress(v4: 0x2d21_0009), at: scene.now)
        scene.dialogue.received(Array(text.replacing("192.168.77.1", with: "192.168.77.2").utf8), from: Router.client, at: scene.now)
        scene.dialogue.received(Router.answer, from: IPAddress(v4: 0xc0a8_4d05), at: scene.now)
        scene.run(for: .seconds(5))
        #expect(scene.dialogue.isOver && scene.router.requests.isEmpty && scene.searches == 5)
        #expect(scene.dialogue.failures.first?.reason.contains("UPnP") == true)
    }

    @Test("A flood of answers is looked at only so far")
    func flood() {
        var scene = Scene()
        var described = 0
        for number in 0..<20_000 {
            let text = String(decoding: Router.answer, as: UTF8.self).replacing("d.xml", with: "d\(number).xml")
            scene.dialogue.received(Array(text.utf8), from: Router.address, at: scene.now)
        }
        for _ in 0..<100 {
            for case .request(let request) in scene.dialogue.poll(at: scene.now) {
                described += 1
                scene.dialogue.finished(request.id, .failure(GatewayError("no")), at: scene.now)
            }
            scene.now = scene.now + .milliseconds(100)
        }
        #expect(described == MappingLimits.devices && scene.dialogue.isOver)
    }

    @Test("Another router than that of the default route is asked only when that one is silent")
    func otherRouter() {
        var scene = Scene(gateway: IPAddress(v4: 0xc0a8_4dfe))
        scene.found()
        scene.run(for: .milliseconds(4_900))
        #expect(scene.external == nil)
        scene.run(for: .milliseconds(200))
        #expect(scene.external == 4001)
    }

    @Test("A router that is not connected maps nothing")
    func disconnected() {
        var scene = Scene()
        scene.router.status = "Disconnected"
        scene.found()
        scene.run(for: .seconds(6))
        #expect(scene.dialogue.isOver && scene.router.count("AddPortMapping") == 0)
        #expect(scene.dialogue.failures.first?.reason == "UPnP: it is not connected to the internet")
    }

    @Test("One that has forgotten is told again within ten minutes, one that is gone is looked for anew")
    func restarts() {
        var scene = Scene()
        scene.found()
        scene.run(for: .seconds(1))
        scene.router.hasForgotten = true
        scene.run(for: .seconds(601))
        #expect(scene.router.count("AddPortMapping") == 2 && scene.external == 4001)
        scene.router.isGone = true
        scene.run(for: .seconds(601))
        #expect(scene.dialogue.isLost && scene.dialogue.isOver)
    }

    @Test("An address that is none is not believed", arguments: ["", "0.0.0.0", "::1", "elsewhere"])
    func addresses(_ text: String) {
        var scene = Scene()
        scene.router.externalAddress = text
        scene.found()
        scene.run(for: .seconds(1))
        #expect(scene.external == 4001 && scene.dialogue.externalAddress == nil)
    }
}
