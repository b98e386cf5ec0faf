import Foundation
import P2PFuzzing
import Testing

@Suite("Inputs of the fuzz targets")
struct FuzzReplayTests {
    @Test("Every input that once crashed is harmless now", arguments: FuzzTarget.allCases)
    func crashes(target: FuzzTarget) throws {
        for input in try Crashes.inputs(of: target) { target.run(input) }
    }

    @Test("There are files of crashes, and each belongs to a target")
    func crashFolders() throws {
        let targets = try Crashes.folders().map { FuzzTarget(rawValue: $0) }
        #expect(!targets.isEmpty)
        for target in targets {
            let inputs = try Crashes.inputs(of: try #require(target))
            #expect(!inputs.isEmpty)
        }
    }

    @Test("The seeds hold every property, and so do mutations of them", arguments: FuzzTarget.allCases)
    func seeds(target: FuzzTarget) {
        #expect(!target.seeds.isEmpty)
        var mutator = Mutator(seed: 7)
        for seed in target.seeds {
            target.run(seed)
            for _ in 0..<(80 / target.seeds.count) { target.run(mutator.mutation(of: seed, upTo: target.maximumLength)) }
        }
        target.run([])
    }

    /// Where there is no libFuzzer: `P2P_FUZZ_SECONDS=60 P2P_FUZZ_TARGETS=relay-ledger,punch-ledger swift test --filter longer`.
    @Test("Mutations of mutations do, for as long as somebody asks for it", .enabled(if: Longer.seconds > 0), arguments: Longer.targets)
    func longer(target: FuzzTarget) {
        var mutator = Mutator(seed: UInt64(Date().timeIntervalSince1970))
        let end = Date(timeIntervalSinceNow: Longer.seconds)
        var inputs = target.seeds
        var runs = 0
        while Date() < end {
            for place in inputs.indices {
                // Now and then from the beginning, or behind another.
                let before = runs % 64 == 0 ? target.seeds.randomElement() ?? [] : inputs[place]
                let behind = runs % 5 == 0 ? inputs.randomElement() ?? [] : []
                inputs[place] = mutator.mutation(of: before + behind.prefix(64), upTo: target.maximumLength)
                target.run(inputs[place])
                runs += 1
            }
        }
        print("\(target.rawValue): \(runs) runs")
    }
}

/// What the environment asks for.
private enum Longer {
    private static let environment = ProcessInfo.processInfo.environment

    static let seconds = environment["P2P_FUZZ_SECONDS"].flatMap { Double($0) } ?? 0
    static let targets =
        environment["P2P_FUZZ_TARGETS"].map { $0.split(separator: ",").compactMap { FuzzTarget(rawValue: String($0)) } }
        ?? FuzzTarget.allCases
}

/// The inputs that are kept in `Fuzz/Crashes`.
private enum Crashes {
    private static let folder = (0..<4).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        .appendingPathComponent("Fuzz/Crashes")

    static func folders() throws -> Set<String> {
        guard FileManager.default.fileExists(atPath: self.folder.path) else { return [] }
        return Set(try FileManager.default.contentsOfDirectory(atPath: self.folder.path).filter { !$0.hasPrefix(".") })
    }

    static func inputs(of target: FuzzTarget) throws -> [[UInt8]] {
        let folder = self.folder.appendingPathComponent(target.rawValue)
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
            [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
        }
    }
}

/// Changes inputs a little, the same way in every run.
private struct Mutator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    private mutating func number(below bound: Int) -> Int {
        self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(self.state >> 33) % bound
    }

    mutating func mutation(of input: [UInt8], upTo limit: Int) -> [UInt8] {
        var input = input
        for _ in 0...self.number(below: 4) {
            guard !input.isEmpty else { return [UInt8(truncatingIfNeeded: self.number(below: 256))] }
            let place = self.number(below: input.count)
            switch self.number(below: 5) {
            case 0: input[place] ^= 1 << UInt8(self.number(below: 8))
            case 1: input[place] = [0, 1, 0x7f, 0x80, 0xff][self.number(below: 5)]
            case 2: input.insert(UInt8(truncatingIfNeeded: self.number(below: 256)), at: place)
            case 3: input.removeSubrange(place..<min(input.count, place + 1 + self.number(below: 8)))
            default: input += input[place...].prefix(1 + self.number(below: 32))
            }
        }
        return Array(input.prefix(limit))
    }
}
