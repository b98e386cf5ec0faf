#if QUIC
    import NIOCore
    import P2PCore
    import P2PMuxing
    import Testing

    @testable import P2PQUIC

    #if canImport(FoundationEssentials)
        import FoundationEssentials
    #else
        import Foundation
    #endif

    @Suite("QUIC's qlog files", .timeLimit(.minutes(1)))
    struct QLogTests {
        /// The records of each file, by its name, once each ends with a whole one.
        private func records(in folder: URL) throws -> [String: [String]] {
            var files: [String: [String]] = [:]
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path()) {
                let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
                files[name] = text.split(separator: "\u{1e}").map(String.init)
            }
            return files
        }

        private func withFolder(_ body: (URL) async throws -> Void) async throws {
            let folder = FileManager.default.temporaryDirectory.appending(path: "qlog-\(UInt64.random(in: 0 ... .max))")
            do { try await body(folder) } catch {
                try? FileManager.default.removeItem(at: folder)
                throw error
            }
            try FileManager.default.removeItem(at: folder)
        }

        private func talk(_ configuration: QUICConfiguration, bytes: Int) async throws {
            let pair = try await QUICNode(configuration).connect(to: try await QUICNode(configuration))
            try await pair.dialer.whileEchoing(pair.listener) { try await $0.echo(bytes) }
        }

        private func until(_ isTrue: () throws -> Bool) async throws {
            while try !isTrue() { try await Task.sleep(for: .milliseconds(10)) }
        }

        @Test("Each side writes what happens, under one name, as a sequence of JSON texts")
        func sides() async throws {
            try await self.withFolder { folder in
                var configuration = QUICConfiguration()
                configuration.qlog = try QLogDirectory(path: folder.path())
                try await self.talk(configuration, bytes: 10_000)
                // The disk's thread may still be writing.
                try await self.until {
                    let files = try self.records(in: folder)
                    return files.count == 2 && files.values.allSatisfy { $0.count > 10 && $0.last?.hasSuffix("\n") == true }
                }
                let files = try self.records(in: folder)
                let names = files.keys.sorted()
                #expect(names.first?.hasSuffix("-client.sqlog") == true)
                #expect(names.last?.hasSuffix("-server.sqlog") == true)
                #expect(names.first?.split(separator: "-").first == names.last?.split(separator: "-").first)
                for records in files.values {
                    #expect(records.first?.contains("\"qlog_format\":\"JSON-SEQ\"") == true)
                    #expect(records.dropFirst().allSatisfy { $0.hasPrefix("{\"time\":") && $0.hasSuffix("}\n") })
                    #expect(records.contains { $0.contains("packet_sent") } && records.contains { $0.contains("packet_received") })
                }
            }
        }

        @Test("A file ends with the last event that fits, and there are so many files")
        func bounded() async throws {
            try await self.withFolder { folder in
                var configuration = QUICConfiguration()
                configuration.qlog = try QLogDirectory(path: folder.path(), maximumFiles: 1, maximumFileSize: 4_000)
                try await self.talk(configuration, bytes: 1_000_000)
                try await self.until { try self.records(in: folder).values.first?.last?.hasSuffix("}\n") == true }
                let files = try self.records(in: folder)
                #expect(files.count == 1)
                let size = files.values.first?.reduce(0) { $0 + 1 + $1.utf8.count } ?? 0
                #expect(size > 1_000 && size <= 4_000)
            }
        }

        @Test("A directory that can't be made is an error")
        func noDirectory() throws {
            #expect(throws: TransportError(.invalidConfiguration, "")) { try QLogDirectory(path: "/proc/nowhere/qlog") }
        }

        @Test("Names are hexadecimal, whatever the id")
        func names() {
            #expect(QLogDirectory.name(of: [0, 0x0f, 0xf0, 0xff], isClient: true) == "000ff0ff-client")
            #expect(QLogDirectory.name(of: [], isClient: false) == "-server")
        }
    }
#endif
