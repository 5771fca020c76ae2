@echo off
rem Runs Gatun's command line on Windows: finds a JDK 25 or newer and builds on first use. Delete target\gatun to have
rem it built again. GATUN_JAVA_OPTS adds JVM options. The launcher for everything else, gatun, does the same and more.
setlocal
set "root=%~dp0"
set "work=%root%target\gatun"
set "jdk="
for /d %%j in ("%USERPROFILE%\.jdks\*" "%ProgramFiles%\Java\*" "%ProgramFiles%\Eclipse Adoptium\*" "%ProgramFiles%\Microsoft\jdk*" "%ProgramFiles%\Zulu\*") do call :consider "%%~j"
for %%j in (java.exe) do if not "%%~$PATH:j"=="" call :consider "%%~dp$PATH:j.."
if defined JAVA_HOME call :consider "%JAVA_HOME%"
if not defined jdk (
    echo gatun: needs a JDK 25 or newer and found none in JAVA_HOME, PATH and the usual folders; install one or set JAVA_HOME>&2
    exit /b 2
)
if not exist "%work%\lib\modules" (
    call :build || exit /b 2
)
"%jdk%\bin\java.exe" -XX:+UseSerialGC -p "%work%\lib\modules" -cp "%work%\lib\natives\*" --enable-native-access=dev.gatun.openblas,dev.gatun.memory,dev.gatun.ops,ai.djl.sentencepiece,ai.djl.tokenizers %GATUN_JAVA_OPTS% -m dev.gatun.cli/dev.gatun.cli.Main %*
exit /b %errorlevel%

rem Takes the folder %1 where its release file says JAVA_VERSION="25..." or more: the last one considered wins.
:consider
if not exist "%~1\bin\javac.exe" exit /b 0
set "version=0"
for /f "tokens=2 delims==." %%v in ('findstr /b JAVA_VERSION= "%~1\release" 2^>nul') do set "version=%%v"
set "version=%version:"=%"
if %version% geq 25 set "jdk=%~1"
exit /b 0

:build
where mvn >nul 2>&1 || (
    echo gatun: needs Maven 3.8 or newer to build itself and found no mvn in PATH>&2
    exit /b 1
)
echo gatun: building; the first time, libraries are downloaded as well>&2
set "JAVA_GATUN_HOME=%jdk%"
call mvn -B -f "%root%pom.xml" -pl cli -am "-Dlauncher=%work%\lib.new" -Dtoolchain.jdk.env=JAVA_GATUN_HOME package 1>&2 || exit /b 1
move "%work%\lib.new" "%work%\lib" >nul
exit /b %errorlevel%
