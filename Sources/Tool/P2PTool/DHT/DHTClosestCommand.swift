import ArgumentParser
import NIOCore
import P2P

/// `p2p dht closest`.
struct DHTClosestCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "closest", abstract: "Find the peers nearest to a key: those that hold what is stored under it.",
        discussion: "With several keys, the table is filled first, and each look-up ends with its own summary.")

    @Argument(
        help: "A peer's id, a CID, /namespace/ and text, or hex: and bytes; several are looked up one after the other.",
        transform: DHTKey.parse)
    var keys: [DHTKey] = []

    @Flag(help: "Read further keys from standard input, one a line, and look each up as it comes.")
    var stdin = false

    @OptionGroup var dht: DHTOptions
    @Flag(help: "Print each step.")
    var trace = false
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if self.keys.isEmpty, !self.stdin { throw ValidationError("a key is missing, or --stdin.") }
    }

    /// The longest line that is read, in bytes: a key in hexadecimal digits.
    private static let longestLine = 4_096

    func execute(_ console: Console) async throws {
        let (keys, stdin) = (self.keys.map(\.bytes), self.stdin)
        try await DHTRun.execute(self.dht, self.node, console, tells: self.trace) { run, _ in
            if keys.count > 1 || stdin {
                try await run.dht.waitForPeers()
                try? await run.dht.refresh()
            }
            for key in keys { _ = try await run.dht.closestPeers(to: key, onEvent: run.print) }
            guard stdin else { return }
            let input = StandardInput()
            var rest: [UInt8] = []
            var number = 0
            var isOver = false
            while !isOver {
                if let piece = try await input.next() {
                    rest += Array(piece.readableBytesView)
                } else {
                    isOver = true
                    // The last line may lack its end.
                    if !rest.isEmpty { rest.append(UInt8(ascii: "\n")) }
                }
                while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    number += 1
                    let key = try Self.key(rest[..<end], inLine: number)
                    rest.removeSubrange(...end)
                    _ = try await run.dht.closestPeers(to: key.bytes, onEvent: run.print)
                }
                guard rest.count <= Self.longestLine else {
                    throw ToolError("invalidKey", "line \(number + 1) is longer than a key can be")
                }
            }
        }
    }

    private static func key(_ line: ArraySlice<UInt8>, inLine number: Int) throws -> DHTKey {
        let text = String(decoding: line, as: UTF8.self)
        guard let key = DHTKey(argument: text) else {
            throw ToolError("invalidKey", "line \(number) is no key: \"\(PeerText(text, limit: 80))\"")
        }
        return key
    }
}
