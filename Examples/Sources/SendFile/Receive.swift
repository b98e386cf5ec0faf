import ArgumentParser
import Foundation
import P2P

/// Waits for files.
struct Receive: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Receive files into a folder, until Ctrl-C. Anybody who knows the address may send.")

    @Option(help: "Where files go. None is ever replaced.")
    var folder: String = "."

    @Option(help: "The largest file that is taken, in bytes.")
    var limit: Int64 = 4 * 1_024 * 1_024 * 1_024

    @Option(help: "Where to listen.")
    var listen: String = "/ip4/0.0.0.0/tcp/0"

    @Option(help: "A key file, made if it is missing, so that the address stays the same.")
    var key: String?

    func run() async throws {
        let host = try await PeerHost.standard(identity: try self.identity())
        try host.serve(Receiver(folder: URL(filePath: self.folder, directoryHint: .isDirectory), largest: self.limit))
        try await host.running { host in
            for address in try await host.listen(on: Multiaddr(self.listen)) { show("swift run SendFile send FILE \(address)") }
            while !Task.isCancelled { try await Task.sleep(for: .seconds(3_600)) }
        }
    }

    private func identity() throws -> PrivateKey? {
        guard let key = self.key else { return nil }
        if FileManager.default.fileExists(atPath: key) { return try KeyFile.read(key) }
        let made = try PrivateKey.generate(.ed25519)
        try KeyFile.write(made, to: key)
        return made
    }
}
