import Foundation
import P2PFuzzing

/// The target that this process fuzzes, named by `P2P_FUZZ_TARGET`.
private let target: FuzzTarget = {
    let name = ProcessInfo.processInfo.environment["P2P_FUZZ_TARGET"] ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        FileHandle.standardError.write(Data("P2P_FUZZ_TARGET names no target: \"\(name)\"\n".utf8))
        exit(64)
    }
    return target
}()

/// Called by libFuzzer before anything else. With `P2P_FUZZ_SEEDS`, writes the seeds of every target into that folder, lists the targets
/// with their maximum lengths, and leaves.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_ count: UnsafeMutableRawPointer?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    guard let folder = ProcessInfo.processInfo.environment["P2P_FUZZ_SEEDS"] else {
        _ = target
        return 0
    }
    do {
        for target in FuzzTarget.allCases {
            let seeds = URL(fileURLWithPath: folder).appendingPathComponent(target.rawValue)
            try FileManager.default.createDirectory(at: seeds, withIntermediateDirectories: true)
            for (number, seed) in target.seeds.enumerated() { try Data(seed).write(to: seeds.appendingPathComponent("seed-\(number)")) }
            print(target.rawValue, target.maximumLength)
        }
    } catch {
        FileHandle.standardError.write(Data("the seeds can't be written: \(error)\n".utf8))
        exit(1)
    }
    exit(0)
}

/// Called by libFuzzer with one input after another.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target.run(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
