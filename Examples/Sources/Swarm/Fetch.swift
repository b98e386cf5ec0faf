import ArgumentParser
import Foundation
import P2P

/// Fetches a file from everybody who has some of it.
struct Fetch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Fetch a file, and give it on meanwhile.")

    @Argument(help: "The name of the file, as whoever shares it prints it.")
    var name: String

    @Option(help: "Where the file goes; made if it is not there. No file is ever replaced.")
    var folder: String = "."

    @Flag(help: "Go on giving it to others, until Ctrl-C.")
    var stay = false

    @OptionGroup var node: Node

    func validate() throws {
        guard Manifest.key(of: self.name) != nil else { throw ValidationError("the name of a file has 64 hexadecimal digits") }
        guard !self.node.bootstrap.isEmpty else {
            throw ValidationError("nobody to ask: name a member of the network with --bootstrap, as whoever shares the file prints it")
        }
    }

    func run() async throws {
        let (name, stay, folder) = (self.name.lowercased(), self.stay, URL(filePath: self.folder, directoryHint: .isDirectory))
        try await self.node.run { host, dht in
            let manifest = try await Self.manifest(of: name, from: host, dht)
            guard let safe = Self.safe(manifest.name) else { throw Problem("the name that it has there is not one for a file here") }
            let target = folder.appending(path: safe, directoryHint: .notDirectory)
            guard !FileManager.default.fileExists(atPath: target.path(percentEncoded: false)) else {
                throw Problem("there is a file of that name already")
            }
            let part = try PartFile(of: name, size: manifest.size, in: folder)
            let blocks = try Blocks(part.handle, manifest, isWhole: false)
            let here = manifest.blocks.count - blocks.missing.count
            if here > 0 { show("going on: \(here) of \(manifest.blocks.count) blocks are here already") }
            try host.serve(Wire.blocks.serving { request, _ in try blocks.answer(request) })
            let download = Download(blocks, through: host, dht)
            let holders = try await withThrowingTaskGroup(of: Void.self) { group in
                // What is here already is for others to have.
                group.addTask { try await Node.offer(blocks, on: host, dht) }
                defer { group.cancelAll() }
                return try await download.run()
            }
            guard try Manifest(of: part.file).blocks == manifest.blocks else { throw Problem("what was written is not what came") }
            try FileManager.default.moveItem(at: part.file, to: target)
            show("fetched: \(safe), \(manifest.size) bytes")
            for (holder, count) in holders.sorted(by: { $0.value > $1.value }) { show("from \(holder): \(count) blocks") }
            guard stay else { return }
            try await Node.offer(blocks, on: host, dht)
            try await Node.stay()
        }
    }

    /// The manifest, from whoever has it.
    private static func manifest(of name: String, from host: PeerHost, _ dht: Kademlia) async throws -> Manifest {
        guard let key = Manifest.key(of: name) else { throw Problem("that names no file") }
        for attempt in 0..<10 {
            if attempt > 0 { try await Task.sleep(for: .seconds(1)) }
            let holders = (try? await dht.findProviders(of: key)) ?? []
            for holder in holders {
                guard let bytes = try? await Download.ask(BlockRequest(file: name), of: holder, through: host),
                    let manifest = try? Manifest(bytes, named: name)
                else { continue }
                return manifest
            }
        }
        throw Problem("nobody who has it is found")
    }

    /// The last component of a name that a stranger has given, or nil if that is nothing to make a file of.
    static func safe(_ suggested: String) -> String? {
        let last = suggested.split(omittingEmptySubsequences: false) { $0 == "/" || $0 == "\\" }.last.map(String.init) ?? ""
        let isPlain = last.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
            default: true
            }
        }
        return isPlain && !last.isEmpty && !last.hasPrefix(".") && last.utf8.count <= 200 ? last : nil
    }
}
