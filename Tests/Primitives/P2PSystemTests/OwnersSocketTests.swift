import Foundation
import NIOCore
import P2PSystem
import Testing

@Suite("A unix socket of its owner alone")
struct OwnersSocketTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("o-\(UInt32.random(in: 0 ... .max))")

    init() throws { try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true) }

    @Test("It has mode 0600 from the first moment on")
    func mode() throws {
        defer { try? FileManager.default.removeItem(at: self.folder) }
        let path = self.folder.appendingPathComponent("s").path
        let descriptor = try OwnersSocket.bind(at: path)
        defer { close(descriptor) }
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test("A place that is taken is refused, and stays as it is")
    func taken() throws {
        defer { try? FileManager.default.removeItem(at: self.folder) }
        let path = self.folder.appendingPathComponent("s").path
        try Data("kept".utf8).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: IOError.self) { try OwnersSocket.bind(at: path) }
        #expect(error?.errnoCode == EADDRINUSE)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("kept".utf8))
    }

    @Test("A path that is too long is refused")
    func long() {
        defer { try? FileManager.default.removeItem(at: self.folder) }
        #expect(throws: (any Error).self) { try OwnersSocket.bind(at: String(repeating: "x", count: 200)) }
    }
}
