import ArgumentParser
import NIOCore
import P2P

/// `p2p dht put`.
struct DHTPutCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Store a value under a key.",
        discussion: """
            The value is the text that stands behind the key, its bytes in base64 with --base64, or without either what comes from standard input. \
            Values of pk and ipns are checked; those of other namespaces are sent as they are, and taken by members that know the namespace: daemons do \
            by --dht-namespace, and keep the greater of two values, byte by byte. Each member that has stored it is printed.
              p2p dht put /ipns/12D3Koo... --bootstrap /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... <record
              p2p daemon --dht server --dht-namespace text --listen /ip4/127.0.0.1/tcp/4001
              p2p dht put /text/hello world --bootstrap /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo...
            """)

    /// The longest value that is read, in bytes: what a table keeps.
    private static let limit = 64 * 1_024

    @Argument(help: "A key such as /ipns/12D3Koo..., or /text/ and anything.", transform: DHTKey.parseForValue)
    var key: DHTKey

    @Argument(help: "The value.")
    var value: String?

    @Flag(help: "The value is in base64.")
    var base64 = false

    @OptionGroup var dht: DHTOptions
    @Flag(help: "Print each step.")
    var trace = false
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if self.base64, self.value == nil { throw ValidationError("--base64 goes with a value.") }
        if self.base64, let value, Base64.decode(value) == nil { throw ValidationError("the value is not base64.") }
    }

    private func bytes() async throws -> [UInt8] {
        if let value { return self.base64 ? Base64.decode(value) ?? [] : Array(value.utf8) }
        let input = StandardInput()
        var bytes: [UInt8] = []
        while let piece = try await input.next() {
            bytes += Array(piece.readableBytesView)
            guard bytes.count <= Self.limit else { throw ToolError("invalidValue", "a value has at most \(Self.limit) bytes") }
        }
        return bytes
    }

    func execute(_ console: Console) async throws {
        let (key, namespace) = (self.key.bytes, self.key.namespace ?? "")
        try await DHTRun.execute(self.dht, self.node, console, tells: self.trace, key: self.key) { run, _ in
            let value = try await self.bytes()
            do throws(KademliaError) {
                _ = try await run.dht.put(value, for: key, onEvent: run.print)
            } catch {
                // A member resets the stream and says nothing of why: whether it has a better value it tells whoever asks for that.
                guard error.code == .notStored else { throw error }
                if let best = try? await run.dht.value(for: key), best != value {
                    let rule = DHTOptions.isChecked(namespace) ? "" : ": of two, the greater one byte by byte"
                    throw ToolError("outdated", "members have a better value under that key, and keep it\(rule)")
                }
                guard !DHTOptions.isChecked(namespace) else { throw error }
                let advice = "a daemon takes values of \(namespace) with --dht-namespace \(namespace) alone"
                throw ToolError(error.code.description, "\(error.message); \(advice)")
            }
        }
    }
}
