import Foundation
import NIOCore
import P2PSystem
import Testing

@Suite("A directory of one owner")
struct OwnersDirectoryTests {
    @Test("It is made, and taken for the owner's only while it is a directory that nobody else may enter")
    func prepare() throws {
        let files = FileManager.default
        let room = files.temporaryDirectory.appending(path: UUID().uuidString).path
        try files.createDirectory(atPath: room, withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: room) }
        let (own, link, file) = (room + "/own", room + "/link", room + "/file")
        #expect(try OwnersDirectory.prepare(at: own))
        #expect(try OwnersDirectory.prepare(at: own))
        try files.createSymbolicLink(atPath: link, withDestinationPath: own)
        #expect(try !OwnersDirectory.prepare(at: link))
        #expect(files.createFile(atPath: file, contents: nil))
        #expect(try !OwnersDirectory.prepare(at: file))
        try files.setAttributes([.posixPermissions: 0o710], ofItemAtPath: own)
        #expect(try !OwnersDirectory.prepare(at: own))
        #expect(throws: IOError.self) { try OwnersDirectory.prepare(at: room + "/missing/own") }
    }
}
